// /api/revisions: the history of policy, and the way back.
#pragma once

#include "server/api/route.h"
#include "server/service/revisions.h"

namespace egress::server {

Result<Response> list_revisions(Revisions& revisions, const Request& request);
Result<Response> get_revision(Revisions& revisions, const Request& request);
Result<Response> roll_back_revision(Revisions& revisions, const Request& request);

}  // namespace egress::server
