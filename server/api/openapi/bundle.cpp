#include "server/api/openapi/resources.h"
#include "shared/base/limits.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kMaxNamespaceText = 2048;
constexpr std::size_t kMaxErrorBytes = 4096;
constexpr std::uint64_t kMaxProcesses = std::uint64_t{1} << 32;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

Json revision() { return integer(0, kMaxInteger); }

Json status(bool is_listed) {
  if (is_listed) {
    return object_schema({{"agent_id", text()},
                          {"namespace", text()},
                          {"workload", text()},
                          {"host", text()},
                          {"offered", revision()},
                          {"active", revision()},
                          {"error", nullable(text())},
                          {"reported_at", time_schema()}});
  }
  return object_schema(
      {{"agent_id", required_text(kMaxLabelBytes)},
       {"namespace", with_description(required_text(kMaxNamespaceText),
                                      "A registered workload may leave it out: its token says it.")},
       {"workload", nullable(text(kMaxLabelBytes)), false},
       {"host", nullable(text(kMaxLabelBytes)), false},
       {"offered", nullable(revision()), false},
       {"active", nullable(revision()), false},
       {"error", nullable(text(kMaxErrorBytes)), false},
       {"processes", with_description(nullable(integer(0, kMaxProcesses)), "That run under the workload."), false}});
}

Parameter if_none_match() { return {"If-None-Match", text(), "The ETag of what the caller has."}; }

Operation bundle_call() {
  return {.method = Method::kGet,
          .path = "/api/bundle",
          .id = "getBundle",
          .summary = "The signed manifest of a workload's policy, or a wait for a new one.",
          .query = {namespace_parameter("namespace", "The workload's; absent or empty: default."),
                    {"workload", text(kMaxLabelBytes), "Its name."}},
          .headers = {if_none_match(), {"Prefer", text(), "wait=SECONDS: how long to wait for a change, at most 60."}},
          .answers = {{200, "A manifest.", schema_of("SignedManifest")}, {304, "Nothing new within the wait."}},
          .errors = {"namespace_unknown", "not_this_workload", "invalid_header", "layer_too_large"}};
}

Operation layer_call() {
  Json hash = text();
  hash["pattern"] = "^[0-9a-f]{64}$";
  return {.method = Method::kGet,
          .path = "/api/layers/{sha256}",
          .id = "getLayer",
          .summary = "A compiled layer by its hash.",
          .path_parameters = {{"sha256", std::move(hash), "As the manifest names it.", true}},
          .headers = {if_none_match()},
          .answers = {{200, "The layer.", Json::object(), "application/octet-stream"}, {304, "The caller has it."}},
          .errors = {"invalid_path", "layer_unknown"}};
}

}  // namespace

Description describe_bundle() {
  Description bundle;
  bundle.schemas = {
      {"SignedManifest",
       object_schema({{"manifest", with_description(text(), "JSON, as text: the signature is over its exact bytes.")},
                      {"key_id", text()},
                      {"public_key", with_description(text(), "Ed25519, base64.")},
                      {"signature", with_description(text(), "base64.")}})},
      {"AgentStatus", status(true)},
      {"AgentStatusReport", status(false)},
      {"AgentStatusPage", page_of("AgentStatus", {{"revision", revision()}})},
  };
  bundle.operations = {
      bundle_call(),
      layer_call(),
      {.method = Method::kPost,
       .path = "/api/bundle/status",
       .id = "reportBundleStatus",
       .summary = "What an agent says of its bundle.",
       .body = schema_of("AgentStatusReport"),
       .answers = {{200, "The server's revision.", object_schema({{"revision", revision()}})}},
       .errors = {"not_this_workload"}},
      {.method = Method::kGet,
       .path = "/api/bundle/status",
       .id = "listBundleStatus",
       .summary = "What the agents said last.",
       .query = {cursor_parameter(), limit_parameter(kDefaultPage, kMaxPage)},
       .answers = {{200, "A page of agents.", schema_of("AgentStatusPage")}}},
  };
  return bundle;
}

}  // namespace egress::server::openapi
