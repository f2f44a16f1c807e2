#include "server/api/openapi/resources.h"
#include "shared/base/limits.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kPath = "/api/fleet/workloads";
constexpr std::size_t kMaxNamespaceBytes = 1100;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

Json labels() {
  Json schema = any_object();
  schema["additionalProperties"] = text(kMaxLabelBytes);
  schema["maxProperties"] = kMaxLabels;
  return schema;
}

std::vector<Field> record() {
  return {{"name", text()},     {"namespace", text()},  {"labels", labels()},          {"target", text()},
          {"token_id", text()}, {"created_by", text()}, {"created_at", time_schema()}, {"updated_at", time_schema()}};
}

Json listed_workload() {
  std::vector<Field> fields = record();
  const Json count = integer(0, kMaxInteger);
  fields.insert(fields.end(),
                {{"last_seen_at", nullable(time_schema())},
                 {"connected", with_description(boolean(), "Whether an agent asks for its bundle, or waits for one.")},
                 {"agents", with_description(count, "That reported.")},
                 {"revision", with_description(nullable(count), "In force at the agent that reported last.")},
                 {"offered", with_description(nullable(count), "To that agent.")},
                 {"error", nullable(text())},
                 {"coverage", with_description(nullable(count), "Processes that run under it; null: unknown.")}});
  return object_schema(fields);
}

Json put_answer() {
  std::vector<Field> fields = record();
  fields.push_back({"token", with_description(text(), "Of a new workload, or rotated. Shown this once."), false});
  return object_schema(fields);
}

Json put_body() {
  return object_schema(
      {{"name", required_text(kMaxWorkloadNameBytes)},
       {"namespace", required_text(kMaxNamespaceBytes)},
       {"labels", with_description(nullable(labels()), "null: none; absent keeps what is set."), false},
       {"target", with_description(nullable(text(kMaxWorkloadNameBytes)), "A mirrord target path."), false},
       {"rotate_token", with_description(nullable(boolean()), "true: a new token, and the old one is revoked."),
        false}});
}

}  // namespace

Description describe_workloads() {
  Description workloads;
  workloads.schemas = {{"Workload", listed_workload()},
                       {"WorkloadPage", page_of("Workload")},
                       {"WorkloadPut", put_body()},
                       {"RegisteredWorkload", put_answer()}};
  workloads.operations = {
      {.method = Method::kGet,
       .path = kPath,
       .id = "listWorkloads",
       .summary = "The registered workloads of a subtree, or one of them.",
       .query = {namespace_parameter("namespace", "The top of the subtree, or the namespace of the one; absent: all."),
                 {"name", text(), "Only the workload of this name in that namespace itself."},
                 cursor_parameter(),
                 limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "A page of workloads.", schema_of("WorkloadPage")}},
       .errors = {"workload_unknown"}},
      {.method = Method::kPost,
       .path = kPath,
       .id = "putWorkload",
       .summary = "Registers a workload, or changes the fields given.",
       .body = schema_of("WorkloadPut"),
       .answers = {{201, "The new workload with its token.", schema_of("RegisteredWorkload")},
                   {200, "The workload, changed.", schema_of("RegisteredWorkload")}},
       .errors = {"namespace_unknown"}},
      {.method = Method::kDelete,
       .path = kPath,
       .id = "removeWorkload",
       .summary = "Removes a workload and revokes its token.",
       .query = {namespace_parameter("namespace", "Its namespace.", true),
                 {"name", required_text(), "Its name.", true}},
       .answers = {{200, "It is gone.", object_schema({{"removed", text()}, {"namespace", text()}})}},
       .errors = {"workload_unknown"}},
  };
  return workloads;
}

}  // namespace egress::server::openapi
