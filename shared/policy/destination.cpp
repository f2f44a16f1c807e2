#include "shared/policy/destination.h"

#include <charconv>

#include "shared/net/host_name.h"

namespace egress {

Expected<Destination> parse_destination(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + std::string(text.substr(0, 300)) + "\" is not a destination: " + why);
  };
  Destination result;
  result.text = text;
  std::string_view rest = text;
  if (const std::size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    const auto transport = find_transport(rest.substr(slash + 1));
    if (!transport) return bad("the transport must be tcp, udp, icmp or other");
    result.transport = *transport;
    rest = rest.substr(0, slash);
  }
  const bool bracketed = rest.starts_with('[');
  const std::size_t colon = bracketed ? rest.find("]:") : rest.rfind(':');
  std::string_view host = rest;
  if (colon != std::string_view::npos) {
    const std::string_view digits = rest.substr(colon + (bracketed ? 2 : 1));
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
    if (digits.empty() || code != std::errc{} || end != digits.data() + digits.size() || result.port == 0) {
      return bad("the port must be 1..65535");
    }
    host = rest.substr(bracketed ? 1 : 0, colon - (bracketed ? 1 : 0));
  } else if (result.transport == Transport::kTcp || result.transport == Transport::kUdp) {
    return bad("a port is missing");
  } else if (bracketed && rest.ends_with(']')) {
    host = rest.substr(1, rest.size() - 2);
  }
  if (const auto address = parse_address(host)) {
    result.address = *address;
    return result;
  }
  if (bracketed) return bad("brackets hold an IPv6 address");
  auto name = parse_host_name(host);
  if (!name) return bad(name.error().message);
  result.name = *std::move(name);
  return result;
}

}  // namespace egress
