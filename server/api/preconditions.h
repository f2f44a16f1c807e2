// The request header fields of conditional and waiting requests: If-None-Match (RFC 9110) and Prefer: wait (RFC 7240).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "server/service/refusal.h"

namespace egress::server {

inline constexpr std::chrono::seconds kMaxWait{60};

// Whether one of the field lines names `tag` (without quotes), weakly or strongly, or is "*".
bool names_tag(const std::vector<std::string>& if_none_match, std::string_view tag);

// The wait asked for, at most kMaxWait; zero if none. Other preferences are ignored, as the RFC asks; a wait that is
// not a number of seconds is refused.
Result<std::chrono::milliseconds> parse_wait(const std::vector<std::string>& prefer);

}  // namespace egress::server
