// GET /api/explain: why a workload would reach a destination, or not.
#pragma once

#include "server/api/route.h"
#include "server/service/explanations.h"

namespace egress::server {

Result<Response> get_explanation(Explanations& explanations, const Request& request);

}  // namespace egress::server
