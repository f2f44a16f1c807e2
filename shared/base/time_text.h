// RFC 3339 timestamps in UTC with millisecond resolution: the only textual form of time in the project.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace egress {

// "2027-01-31T00:00:00Z"; milliseconds appear only when they are not zero. Years 1970..9999.
std::string format_time(UnixMillis time_ms);

// Accepts RFC 3339 with 'Z' or a numeric offset and up to nine fractional digits (truncated to milliseconds).
Expected<UnixMillis> parse_time(std::string_view text);

// A positive duration such as "90s", "15m", "2h", "7d": one integer, one unit. Result in milliseconds.
Expected<std::int64_t> parse_duration_ms(std::string_view text);

}  // namespace egress
