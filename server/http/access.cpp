#include "server/http/access.h"

#include <algorithm>
#include <optional>

#include "shared/base/ascii.h"
#include "shared/net/host_name.h"

namespace egress::server {
namespace {

bool is_port(std::string_view text) {
  return text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A Host field without its port: a name or an IPv4 address as text, or the IPv6 address of "[...]".
struct HostPart {
  std::string_view text;
  std::optional<Address> address;
};

std::optional<HostPart> parse_host_field(std::string_view field) {
  if (field.starts_with('[')) {
    const auto bracket = field.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    const std::string_view rest = field.substr(bracket + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    const auto address = parse_address(field.substr(1, bracket - 1));
    if (!address || is_ipv4(*address)) return std::nullopt;
    return HostPart{field.substr(1, bracket - 1), *address};
  }
  HostPart part{field, std::nullopt};
  if (const auto colon = field.find(':'); colon != std::string_view::npos) {
    if (!is_port(field.substr(colon + 1))) return std::nullopt;
    part.text = field.substr(0, colon);
  }
  if (const auto address = parse_address(part.text)) part.address = *address;
  return part;
}

bool is_loopback_part(const HostPart& part) {
  return part.address ? is_loopback(*part.address) : equals_ignoring_case(part.text, "localhost");
}

std::string origin_of(std::string_view host_field, bool secure) {
  return (secure ? "https://" : "http://") + std::string(host_field);
}

}  // namespace

bool is_loopback_host(std::string_view field) {
  const auto part = parse_host_field(field);
  return part && is_loopback_part(*part);
}

Expected<AllowedHosts> AllowedHosts::make(const Address& listen, const std::vector<std::string>& names) {
  AllowedHosts allowed;
  const bool is_wildcard = listen == Address{} || listen == make_ipv4(0);
  if (!is_wildcard) allowed.addresses_.insert(listen);
  for (const std::string& name : names) {
    std::string_view bare = name;
    if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
    if (const auto address = parse_address(bare)) {
      allowed.addresses_.insert(*address);
    } else if (auto host = parse_host_name(name)) {
      allowed.names_.insert(*std::move(host));
    } else {
      return fail(
          ErrorCode::kInvalidArgument,
          "\"" + name + "\" is neither a host name nor an address (give it without a port): " + host.error().message);
    }
  }
  return allowed;
}

bool AllowedHosts::holds(std::string_view host_field) const {
  const auto part = parse_host_field(host_field);
  if (!part) return false;
  if (is_loopback_part(*part)) return true;
  if (part->address) return addresses_.contains(*part->address);
  std::string name(part->text);
  std::transform(name.begin(), name.end(), name.begin(), lower_ascii);
  return names_.contains(name);
}

std::string AllowedHosts::describe() const {
  std::string text = "localhost, 127.0.0.0/8, [::1]";
  for (const Address& address : addresses_) {
    if (!is_loopback(address)) text += ", " + format_address(address);
  }
  for (const std::string& name : names_) text += ", " + name;
  return text;
}

bool is_cross_site(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field, bool secure) {
  if (sec_fetch_site == "cross-site" || sec_fetch_site == "same-site") return true;
  return !origin.empty() && !equals_ignoring_case(origin, origin_of(host_field, secure));
}

bool is_same_origin(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field,
                    bool secure) {
  if (is_cross_site(origin, sec_fetch_site, host_field, secure)) return false;
  return !origin.empty() || sec_fetch_site == "same-origin" || sec_fetch_site == "none";
}

std::string_view find_cookie(std::string_view cookie_field, std::string_view name) {
  std::string_view found;
  while (!cookie_field.empty()) {
    const auto semicolon = cookie_field.find(';');
    std::string_view pair = cookie_field.substr(0, semicolon);
    cookie_field = semicolon == std::string_view::npos ? std::string_view() : cookie_field.substr(semicolon + 1);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    while (pair.ends_with(' ')) pair.remove_suffix(1);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    const std::string_view value = pair.substr(equals + 1);
    if (!found.empty() && found != value) return {};
    found = value;
  }
  return found;
}

}  // namespace egress::server
