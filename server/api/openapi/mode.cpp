#include "server/api/openapi/resources.h"

namespace egress::server::openapi {

Description describe_mode() {
  Description mode;
  const Json state = object_schema({{"mode", schema_of("Mode")}});
  mode.operations = {
      {.method = Method::kGet,
       .path = "/api/mode",
       .id = "getMode",
       .summary = "The mode of namespaces that neither set nor inherit one.",
       .answers = {{200, "The server's mode.", state}}},
      {.method = Method::kPost,
       .path = "/api/mode",
       .id = "setMode",
       .summary = "Sets the server's mode.",
       .body = state,
       .answers = {{200, "The mode that holds now.", state}}},
  };
  return mode;
}

}  // namespace egress::server::openapi
