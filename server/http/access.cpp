#include "server/http/access.h"

#include <algorithm>
#include <string>

#include "shared/net/address.h"

namespace egress::server {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return lower(x) == lower(y);
  });
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool is_loopback_host(std::string_view field) {
  std::string_view host = field;
  if (field.starts_with('[')) {
    const auto bracket = field.find(']');
    if (bracket == std::string_view::npos) return false;
    host = field.substr(1, bracket - 1);
    const std::string_view rest = field.substr(bracket + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return false;
    const auto address = parse_address(host);
    return address && !is_ipv4(*address) && is_loopback(*address);
  }
  if (const auto colon = field.find(':'); colon != std::string_view::npos) {
    if (!is_port(field.substr(colon + 1))) return false;
    host = field.substr(0, colon);
  }
  if (equals_ignoring_case(host, "localhost")) return true;
  const auto address = parse_address(host);
  return address && is_loopback(*address);
}

bool is_cross_site(std::string_view origin, std::string_view sec_fetch_site, std::string_view host_field) {
  if (sec_fetch_site == "cross-site" || sec_fetch_site == "same-site") return true;
  return !origin.empty() && !equals_ignoring_case(origin, "http://" + std::string(host_field));
}

}  // namespace egress::server
