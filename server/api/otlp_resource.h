// POST /v1/logs and /v1/traces (OTLP/HTTP, JSON), and GET /api/otlp/… to read the records again.
#pragma once

#include "server/api/route.h"
#include "server/telemetry/telemetry.h"

namespace egress::server {

Result<Response> receive_otlp(Telemetry& telemetry, Signal signal, const Request& request);
Result<Response> list_otlp(Telemetry& telemetry, Signal signal, const Request& request);

}  // namespace egress::server
