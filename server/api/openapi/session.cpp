#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kPath = "/api/session";
constexpr std::size_t kMaxTokenBytes = 256;

Json session() {
  return object_schema(
      {{"authenticated", boolean()},
       {"open", with_description(boolean(), "Whether people need no token at all: everyone is admin.")},
       {"name", nullable(text())},
       {"role", with_description(nullable(schema_of("Role")), "null: a stranger, or a workload.")},
       {"namespace", with_description(nullable(text()), "The top of the caller's subtree.")}});
}

}  // namespace

Description describe_session() {
  Description sessions;
  sessions.schemas = {{"Session", session()}, {"Login", object_schema({{"token", required_text(kMaxTokenBytes)}})}};
  sessions.operations = {
      {.method = Method::kGet,
       .path = kPath,
       .id = "getSession",
       .summary = "Who the caller is.",
       .answers = {{200, "The caller, as the server sees it.", schema_of("Session")}}},
      {.method = Method::kPost,
       .path = kPath,
       .id = "beginSession",
       .summary = "Takes a person's token for the cookie of a session of the web UI.",
       .body = schema_of("Login"),
       .takes_token = true,
       .answers = {{200, "Who the caller is now; Set-Cookie has the session.", schema_of("Session")}}},
      {.method = Method::kDelete,
       .path = kPath,
       .id = "endSession",
       .summary = "Ends the session of the cookie, if there is one.",
       .answers = {{200, "Who the caller is without it.", schema_of("Session")}}},
  };
  return sessions;
}

}  // namespace egress::server::openapi
