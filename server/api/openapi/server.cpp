#include "server/api/openapi/resources.h"
#include "server/metrics/metrics.h"

namespace egress::server::openapi {

Description describe_server() {
  Description server;
  server.operations = {
      {.method = Method::kGet,
       .path = "/healthz",
       .id = "getHealth",
       .summary = "Whether the server lives.",
       .answers = {{200, "It does.", object_schema({{"status", names({"ok"})}})}}},
      {.method = Method::kGet,
       .path = "/readyz",
       .id = "getReadiness",
       .summary = "Whether the server can serve policy.",
       .answers = {{200, "It can.", object_schema({{"status", names({"ready"})}})}},
       .errors = {"not_ready"}},
      {.method = Method::kGet,
       .path = "/metrics",
       .id = "getMetrics",
       .summary = "What the server counts of itself, for Prometheus.",
       .answers = {{200, "Samples in the text exposition format.", text(), std::string(kMetricsContentType)}}},
      {.method = Method::kGet,
       .path = "/api/openapi.json",
       .id = "getOpenApi",
       .summary = "This description.",
       .answers = {{200, "An OpenAPI 3.1 document.", with_description(any_object(), "OpenAPI 3.1")}}},
  };
  return server;
}

}  // namespace egress::server::openapi
