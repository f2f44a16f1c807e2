// Counts failed authentication in the metrics.
#pragma once

#include "server/metrics/metrics.h"
#include "server/service/auth_failures.h"

namespace egress::server {

// From then on; `metrics` must outlive `failures`. Call it before any request.
void count_failures(AuthFailures& failures, Metrics& metrics);

}  // namespace egress::server
