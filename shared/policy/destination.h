// Destinations as people write them in PolicyTests, on the command line and in explain:
// "api.stripe.com:443/tcp", "10.0.0.1:22/tcp", "[2001:db8::1]:443/udp". The transport may be left out: tcp.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/policy/documents.h"

namespace egress {

Expected<Destination> parse_destination(std::string_view text);

}  // namespace egress
