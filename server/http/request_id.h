// What names one request in its answer (X-Request-Id) and in the access log. Pure but for randomness.
#pragma once

#include <string>
#include <string_view>

namespace egress::server {

// 1 to 64 of A-Z a-z 0-9 . _ -, so that a client's own id can go into headers and logs as it is.
bool is_request_id(std::string_view text);

std::string make_request_id();

}  // namespace egress::server
