// /api/mode: the server's own mode.
#pragma once

#include "server/api/route.h"
#include "server/service/server_mode.h"

namespace egress::server {

Result<Response> get_mode(ServerMode& mode, const Request& request);
Result<Response> set_mode(ServerMode& mode, const Request& request);

}  // namespace egress::server
