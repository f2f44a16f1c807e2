#include "preload/agent/server_url.h"

#include <charconv>

#include "shared/net/address.h"
#include "shared/net/host_name.h"

namespace egress {
namespace {

Expected<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65535) {
    return fail(ErrorCode::kInvalidArgument, "port \"" + std::string(text) + "\": expected 1..65535");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::string ServerUrl::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string ServerUrl::text() const { return (tls ? "https://" : "http://") + authority(); }

Expected<ServerUrl> parse_server_url(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, "server URL \"" + std::string(text) + "\": " + why);
  };
  ServerUrl url;
  std::string_view rest = text;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    url.port = 80;
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    url.port = 443;
    url.tls = true;
  } else {
    return refuse("expected http://HOST[:PORT] or https://HOST[:PORT]");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::string_view host = rest;
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return refuse("expected ']' after an IPv6 address");
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    has_port = !rest.empty();
    if (has_port && rest[0] != ':') return refuse("expected ':' and a port after ']'");
    if (has_port) port = rest.substr(1);
  } else if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    has_port = true;
  }
  if (has_port) {
    const auto number = parse_port(port);
    if (!number) return refuse(number.error().message);
    url.port = *number;
  }
  if (const auto address = parse_address(host)) {
    url.host = format_address(*address);
    return url;
  }
  auto name = parse_host_name(host);
  if (!name) return refuse(name.error().message);
  url.host = std::move(*name);
  return url;
}

}  // namespace egress
