// Where the server listens, as --listen writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress::server {

struct ListenAddress {
  Address address;
  std::uint16_t port = 0;  // 0: a free one
};

// "127.0.0.1:8443", "[::1]:0" or "localhost:8443" (which is 127.0.0.1).
Expected<ListenAddress> parse_listen_address(std::string_view text);

// With brackets around IPv6.
std::string format_listen_address(const ListenAddress& listen);

}  // namespace egress::server
