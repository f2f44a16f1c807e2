// An IP address in the canonical form that policy judges (policy.md section 1). Trivially copyable and free of
// libraries: the preload library uses it on the connect path. Not a socket address: no port, no scope id.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

// 128 bits in network significance order. IPv4 a.b.c.d is held as ::ffff:a.b.c.d, so an IPv4-mapped IPv6 address *is*
// the IPv4 address. Ordering is numeric.
struct Address {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend constexpr bool operator==(const Address&, const Address&) = default;
  friend constexpr auto operator<=>(const Address&, const Address&) = default;
};

inline constexpr std::uint64_t kMappedPrefix = 0x0000'ffff'0000'0000;

constexpr Address make_ipv4(std::uint32_t host_order) noexcept { return {0, kMappedPrefix | host_order}; }

constexpr bool is_ipv4(Address a) noexcept { return a.high == 0 && (a.low >> 32) == 0xffff; }
constexpr std::uint32_t ipv4_bits(Address a) noexcept { return static_cast<std::uint32_t>(a.low); }

constexpr Address address_from_bytes(const std::uint8_t (&bytes)[16]) noexcept {
  Address a;
  for (int i = 0; i < 8; ++i) a.high = a.high << 8 | bytes[i];
  for (int i = 8; i < 16; ++i) a.low = a.low << 8 | bytes[i];
  return a;
}

// 0.0.0.0 and :: reach loopback on Linux; they are judged as 127.0.0.1 and ::1.
constexpr Address canonical(Address a) noexcept {
  if (a.high == 0 && a.low == 0) return {0, 1};
  if (a == make_ipv4(0)) return make_ipv4(0x7f000001);
  return a;
}

constexpr bool is_loopback(Address a) noexcept {
  return is_ipv4(a) ? (ipv4_bits(a) >> 24) == 127 : (a.high == 0 && a.low == 1);
}
// 169.254/16 and fe80::/10: cloud metadata lives there.
constexpr bool is_link_local(Address a) noexcept {
  return is_ipv4(a) ? (ipv4_bits(a) >> 16) == 0xa9fe : (a.high >> 54) == (0xfe80u >> 6);
}
// 240/4: what a program is given for a refused name. 255.255.255.255 is broadcast, not synthetic.
constexpr bool is_synthetic(Address a) noexcept {
  return is_ipv4(a) && (ipv4_bits(a) >> 28) == 0xf && ipv4_bits(a) != 0xffff'ffff;
}

// The IPv4 address inside NAT64 64:ff9b::/96, 6to4 2002::/16 and IPv4-compatible ::/96 (but not :: and ::1).
constexpr std::optional<Address> embedded_ipv4(Address a) noexcept {
  if (a.high == 0x0064'ff9b'0000'0000 && (a.low >> 32) == 0) return make_ipv4(static_cast<std::uint32_t>(a.low));
  if ((a.high >> 48) == 0x2002) return make_ipv4(static_cast<std::uint32_t>(a.high >> 16));
  if (a.high == 0 && (a.low >> 32) == 0 && a.low > 1) return make_ipv4(static_cast<std::uint32_t>(a.low));
  return std::nullopt;
}

// Strict presentation form (inet_pton): no octal, hex or short spellings; an IPv6 scope id is dropped.
Expected<Address> parse_address(std::string_view text);

// Canonical presentation form (RFC 5952 for IPv6).
std::string format_address(Address address);

}  // namespace egress
