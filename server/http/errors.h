// The one place where an error becomes an HTTP status and a body.
#pragma once

#include <string>

#include "server/api/route.h"

namespace egress::server {

Response error_response(const Refusal& refusal, ErrorStyle style);

// For what the protocol itself refuses, with a status that no service knows (403, 405, 415, 431).
Response error_response(unsigned status, const std::string& code, const std::string& message, ErrorStyle style);

}  // namespace egress::server
