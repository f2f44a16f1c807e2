// /api/tokens: people's tokens.
#pragma once

#include "server/api/route.h"
#include "server/service/tokens.h"

namespace egress::server {

Result<Response> create_token(Tokens& tokens, const Clock& clock, const Request& request);
Result<Response> list_tokens(Tokens& tokens, const Request& request);
Result<Response> revoke_token_by_id(Tokens& tokens, const Request& request);

}  // namespace egress::server
