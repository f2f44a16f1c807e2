// /api/policy/egress: the global egress table.
#pragma once

#include "server/api/route.h"
#include "server/service/egress_policy.h"

namespace egress::server {

Result<Response> list_egress_policy(EgressPolicy& policy, const Request& request);
Result<Response> put_egress_entry(EgressPolicy& policy, const Clock& clock, Action action, const Request& request);
Result<Response> remove_egress_entry(EgressPolicy& policy, Action action, const Request& request);

}  // namespace egress::server
