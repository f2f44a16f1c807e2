// GET /healthz, /readyz, /metrics: for what watches over the server. healthz asks nothing of anybody, readyz asks the
// store, metrics says what was counted.
#pragma once

#include "server/api/message.h"
#include "server/distribution/distribution.h"
#include "server/metrics/metrics.h"
#include "server/service/server_health.h"
#include "server/telemetry/telemetry.h"

namespace egress::server {

Result<Response> get_health(const Request& request);
Result<Response> get_readiness(ServerHealth& health, const Distribution& distribution, const Request& request);
Result<Response> get_metrics(const Metrics& metrics, ServerHealth& health, const Distribution& distribution,
                             const Telemetry& telemetry, const Request& request);

}  // namespace egress::server
