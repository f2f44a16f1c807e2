// The server's base URL, e.g. "http://127.0.0.1:8443". No path but "/", no query, no user information.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

struct ServerUrl {
  bool tls = false;
  std::string host;  // a name or an address without brackets
  std::uint16_t port = 0;

  // "host:port" as a Host header has it.
  std::string authority() const;
  // Canonical: two spellings of one server are one server to the key pin and the bundle store.
  std::string text() const;
};

Expected<ServerUrl> parse_server_url(std::string_view text);

}  // namespace egress
