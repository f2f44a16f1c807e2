// An inclusive range of ports, 1..65535.
#pragma once

#include <cstdint>

namespace egress {

struct PortRange {
  std::uint16_t first = 1;
  std::uint16_t last = 65535;

  friend constexpr bool operator==(const PortRange&, const PortRange&) = default;
  friend constexpr auto operator<=>(const PortRange&, const PortRange&) = default;
};

constexpr bool contains(PortRange range, std::uint16_t port) noexcept {
  return port >= range.first && port <= range.last;
}

}  // namespace egress
