#include "server/api/openapi/resources.h"

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
       .path = "/api/openapi.json",
       .id = "getOpenApi",
       .summary = "This description.",
       .answers = {{200, "An OpenAPI 3.1 document.", with_description(any_object(), "OpenAPI 3.1")}}},
  };
  return server;
}

}  // namespace egress::server::openapi
