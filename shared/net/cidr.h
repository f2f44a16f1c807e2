// A CIDR block of either family. An IPv6 block never contains an IPv4 address, however short its prefix.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress {

struct Cidr {
  Address base;             // host bits are zero
  std::uint8_t prefix = 0;  // 0..32 for IPv4, 0..128 for IPv6
  bool ipv4 = false;

  friend constexpr bool operator==(const Cidr&, const Cidr&) = default;
  friend constexpr auto operator<=>(const Cidr&, const Cidr&) = default;
};

// Significant bits within the 128-bit form: an IPv4 /n is /(96 + n) there.
constexpr unsigned wide_prefix(const Cidr& cidr) noexcept { return cidr.ipv4 ? 96u + cidr.prefix : cidr.prefix; }

constexpr Address mask_address(Address a, unsigned wide) noexcept {
  if (wide == 0) return {};
  if (wide < 64) return {a.high & ~(~std::uint64_t{0} >> wide), 0};
  if (wide == 64) return {a.high, 0};
  if (wide < 128) return {a.high, a.low & ~(~std::uint64_t{0} >> (wide - 64))};
  return a;
}

constexpr bool contains(const Cidr& cidr, Address address) noexcept {
  return is_ipv4(address) == cidr.ipv4 && mask_address(address, wide_prefix(cidr)) == cidr.base;
}
// True if every address of `inner` is in `outer`.
constexpr bool contains(const Cidr& outer, const Cidr& inner) noexcept {
  return outer.ipv4 == inner.ipv4 && outer.prefix <= inner.prefix &&
         mask_address(inner.base, wide_prefix(outer)) == outer.base;
}

struct ParsedCidr {
  Cidr cidr;
  bool masked = false;  // the text had host bits set, which were cleared: worth a warning
};

// "10.0.0.0/8", "2001:db8::/32", or an address alone (its /32 or /128). An IPv4-mapped IPv6 block of /96 or longer is
// the IPv4 block; a shorter one is refused because it would mean both families.
Expected<ParsedCidr> parse_cidr(std::string_view text);

std::string format_cidr(const Cidr& cidr);

}  // namespace egress
