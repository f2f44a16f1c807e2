#include "server/startup/listen_address.h"

#include <charconv>

namespace egress::server {

Expected<ListenAddress> parse_listen_address(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + std::string(text) + "\" is not ADDRESS:PORT such as 127.0.0.1:8443 or [::1]:8443");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return bad();

  ListenAddress listen;
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), listen.port);
  if (port.empty() || code != std::errc{} || end != port.data() + port.size()) return bad();
  const auto address = parse_address(host == "localhost" ? "127.0.0.1" : host);
  if (!address || is_ipv4(*address) == bracketed) return bad();
  listen.address = *address;
  return listen;
}

std::string format_listen_address(const ListenAddress& listen) {
  const std::string address = format_address(listen.address);
  return (is_ipv4(listen.address) ? address : "[" + address + "]") + ":" + std::to_string(listen.port);
}

}  // namespace egress::server
