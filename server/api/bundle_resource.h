// GET /api/bundle (a long poll), GET /api/layers/{sha256}, and what agents report of both at /api/bundle/status.
#pragma once

#include "server/api/route.h"
#include "server/distribution/distribution.h"
#include "server/service/agent_fleet.h"
#include "server/service/workloads.h"

namespace egress::server {

struct BundleServices {
  Distribution& distribution;
  AgentFleet& fleet;
  Workloads& workloads;
};

// A workload's token decides whose bundle it is; without one, the query does.
Result<std::unique_ptr<Poll>> start_bundle_poll(const BundleServices& services, const Request& request);
Result<Response> get_layer(Distribution& distribution, const Request& request);
Result<Response> report_bundle_status(AgentFleet& fleet, const Request& request);
Result<Response> list_bundle_status(AgentFleet& fleet, const Request& request);

}  // namespace egress::server
