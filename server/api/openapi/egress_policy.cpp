#include "server/api/domain_fields.h"
#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kMaxTimeText = 64;

Json listed_entry(bool is_allowed, bool has_warnings) {
  std::vector<Field> fields = {{"domain", text()}, {"reason", text()}};
  if (is_allowed) fields.push_back({"require_auth", boolean()});
  fields.insert(fields.end(), {{"expires_at", nullable(time_schema())},
                               {"created_by", text()},
                               {"created_at", time_schema()},
                               {"hits", integer(0, kMaxInteger)},
                               {"last_used_at", nullable(time_schema())}});
  if (has_warnings) fields.push_back({"warnings", array_of(text()), false});
  return object_schema(fields);
}

Operation put_call(const std::string& list, const std::string& id, const std::string& summary,
                   const std::string& schema) {
  return {.method = Method::kPost,
          .path = "/api/policy/egress/" + list,
          .id = id,
          .summary = summary,
          .body = schema_of(schema + "Put"),
          .answers = {{201, "The new entry.", schema_of(schema)}, {200, "The entry, changed.", schema_of(schema)}}};
}

Operation remove_call(const std::string& list, const std::string& id, const std::string& summary) {
  return {.method = Method::kDelete,
          .path = "/api/policy/egress/" + list,
          .id = id,
          .summary = summary,
          .query = {{"domain", required_text(), "The entry's host pattern, address or CIDR.", true}},
          .answers = {{200, "It is gone.", object_schema({{"removed", text()}})}},
          .errors = {"egress_entry_not_found"}};
}

}  // namespace

std::vector<Field> egress_put_fields(bool is_allowed) {
  std::vector<Field> fields = {{"domain", required_text(kMaxDomainText)},
                               {"reason", nullable(text(kMaxReasonBytes)), false}};
  if (is_allowed) fields.push_back({"require_auth", nullable(boolean()), false});
  fields.push_back(
      {"expires_in",
       with_description(nullable(text(kMaxTimeText)), "A duration such as 90s, 15m, 8h or 30d; null: never."), false});
  fields.push_back({"expires_at", nullable(time_schema()), false});
  return fields;
}

Description describe_egress_policy() {
  Description policy;
  policy.schemas = {
      {"AllowedEntry", listed_entry(true, true)},
      {"BlockedEntry", listed_entry(false, true)},
      {"AllowedEntryPut", object_schema(egress_put_fields(true))},
      {"BlockedEntryPut", object_schema(egress_put_fields(false))},
      {"EgressPolicy", object_schema({{"allowed", array_of(schema_of("AllowedEntry"))},
                                      {"blocked", array_of(schema_of("BlockedEntry"))}})},
  };
  policy.operations = {
      {.method = Method::kGet,
       .path = "/api/policy/egress",
       .id = "getEgressPolicy",
       .summary = "The global egress table.",
       .answers = {{200, "All its entries.", schema_of("EgressPolicy")}}},
      put_call("allow", "allowDomain", "Allows a host pattern, address or CIDR for everyone.", "AllowedEntry"),
      put_call("block", "blockDomain", "Blocks one for everyone, whatever a namespace allows.", "BlockedEntry"),
      remove_call("allow", "removeAllowedDomain", "Ends an allowance."),
      remove_call("block", "removeBlockedDomain", "Ends a block."),
  };
  return policy;
}

}  // namespace egress::server::openapi
