// /api/session: the UI's login. A token given once becomes a cookie that no script can read.
#pragma once

#include "server/api/route.h"
#include "server/service/auth_failures.h"
#include "server/service/token_registry.h"
#include "server/service/ui_sessions.h"

namespace egress::server {

Result<Response> begin_session(const TokenRegistry& registry, UiSessions& sessions, AuthFailures& failures,
                               const Request& request);
// Who asks, known or not.
Result<Response> get_session(const TokenRegistry& registry, const Request& request);
Result<Response> end_session(const TokenRegistry& registry, UiSessions& sessions, const Request& request);

}  // namespace egress::server
