#include "server/service/tokens.h"

#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kPath = "/api/tokens";
constexpr std::size_t kMaxNamespaceBytes = 1100;
constexpr std::size_t kMaxTimeText = 64;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

Json listed_token() {
  return object_schema({{"id", text()},
                        {"name", text()},
                        {"role", schema_of("Role")},
                        {"namespace", text()},
                        {"state", names({"live", "expired", "revoked"})},
                        {"expires_at", nullable(time_schema())},
                        {"revoked_at", nullable(time_schema())},
                        {"created_by", text()},
                        {"created_at", time_schema()}});
}

Json put_body() {
  return object_schema(
      {{"name", with_description(required_text(kMaxTokenNameBytes), "Letters, digits and . _ @ + -.")},
       {"role", schema_of("Role")},
       {"namespace",
        with_description(nullable(text(kMaxNamespaceBytes)), "The top of the subtree; absent or null: the root."),
        false},
       {"expires_in",
        with_description(nullable(text(kMaxTimeText)), "A duration such as 90s, 15m, 8h or 30d; null: never."), false},
       {"expires_at", nullable(time_schema()), false}});
}

Json issued_token() {
  return object_schema({{"id", text()},
                        {"token", with_description(text(), "Shown this once.")},
                        {"name", text()},
                        {"role", schema_of("Role")},
                        {"namespace", text()},
                        {"expires_at", nullable(time_schema())}});
}

}  // namespace

Description describe_tokens() {
  Description tokens;
  tokens.schemas = {{"Role", names({"viewer", "operator", "admin"})},
                    {"Token", listed_token()},
                    {"TokenPage", page_of("Token")},
                    {"TokenPut", put_body()},
                    {"IssuedToken", issued_token()}};
  tokens.operations = {
      {.method = Method::kGet,
       .path = kPath,
       .id = "listTokens",
       .summary = "People's tokens in scope, without secrets.",
       .query = {cursor_parameter(), limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "A page of tokens.", schema_of("TokenPage")}}},
      {.method = Method::kPost,
       .path = kPath,
       .id = "createToken",
       .summary = "Makes a token with a role over a subtree; the first one closes an open server.",
       .body = schema_of("TokenPut"),
       .answers = {{201, "The token.", schema_of("IssuedToken")}},
       .errors = {"first_token_must_be_admin", "token_name_taken", "too_many_tokens"}},
      {.method = Method::kDelete,
       .path = kPath,
       .id = "revokeToken",
       .summary = "Revokes a token of a person or of a workload.",
       .query = {{"id", required_text(), "The token's id.", true}},
       .answers = {{200, "It is revoked.", object_schema({{"removed", text()}})}},
       .errors = {"token_unknown", "already_revoked", "last_admin"}},
  };
  return tokens;
}

}  // namespace egress::server::openapi
