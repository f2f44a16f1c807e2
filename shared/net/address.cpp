#include "shared/net/address.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace egress {

Expected<Address> parse_address(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 64)) + "\" is not an IP address");
  };
  const std::string_view numeric = text.find(':') == std::string_view::npos ? text : text.substr(0, text.find('%'));
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (numeric.empty() || numeric.size() >= terminated.size() || numeric.find('\0') != std::string_view::npos) {
    return bad();
  }
  std::memcpy(terminated.data(), numeric.data(), numeric.size());
  in_addr v4{};
  if (inet_pton(AF_INET, terminated.data(), &v4) == 1) return make_ipv4(ntohl(v4.s_addr));
  in6_addr v6{};
  if (inet_pton(AF_INET6, terminated.data(), &v6) == 1) return address_from_bytes(v6.s6_addr);
  return bad();
}

std::string format_address(Address address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_ipv4(address)) {
    const in_addr v4{htonl(ipv4_bits(address))};
    inet_ntop(AF_INET, &v4, text.data(), text.size());
  } else {
    in6_addr v6{};
    for (unsigned i = 0; i < 8; ++i) {
      v6.s6_addr[i] = static_cast<std::uint8_t>(address.high >> (56 - 8 * i));
      v6.s6_addr[8 + i] = static_cast<std::uint8_t>(address.low >> (56 - 8 * i));
    }
    inet_ntop(AF_INET6, &v6, text.data(), text.size());
  }
  return text.data();
}

}  // namespace egress
