// Small policies for the library's tests: loopback is judged like any address, so that real sockets can be used.
#pragma once

#include <string>
#include <vector>

#include "shared/compile/link_stack.h"

namespace egress {

struct AllowedPort {
  std::string cidr;
  std::uint16_t port = 0;  // 0: any
  std::optional<Transport> transport;
};

// Allows these and denies the rest.
LinkedStack allow_only(const std::vector<AllowedPort>& allowed, Mode mode = Mode::kEnforcement);
LinkedStack allow_names(const std::vector<std::string>& names);
// 10,000 address rules besides the one that allows loopback: what the benchmark loads.
LinkedStack allow_loopback_among_many();

}  // namespace egress
