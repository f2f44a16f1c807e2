// /api/fleet/workloads: the registered workloads, their tokens (shown once) and what is known of them at run time.
#pragma once

#include "server/api/message.h"
#include "server/service/agent_fleet.h"
#include "server/service/workloads.h"

namespace egress::server {

Result<Response> list_workloads(Workloads& workloads, AgentFleet& fleet, const Request& request);
Result<Response> put_workload(Workloads& workloads, const Request& request);
Result<Response> remove_workload(Workloads& workloads, const Request& request);

}  // namespace egress::server
