#include "server/api/workloads_resource.h"

#include <span>

#include "server/api/fields.h"
#include "shared/base/hex.h"
#include "shared/base/limits.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"
#include "shared/policy/workload.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxNamespaceBytes = 1100;  // 16 labels of 63 bytes and their slashes fit
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

const std::string kNameRule =
    "expected 1 to " + std::to_string(kMaxWorkloadNameBytes) + " bytes without blanks or control characters";

Json render_record(const WorkloadRecord& record) {
  Json item = Json::object();
  item["name"] = record.name;
  item["namespace"] = record.namespace_path;
  item["labels"] = record.labels;
  item["target"] = record.target;
  item["token_id"] = record.token_id;
  item["created_by"] = record.created_by;
  item["created_at"] = format_time(record.created_at_ms);
  item["updated_at"] = format_time(record.updated_at_ms);
  return item;
}

Json render(const WorkloadRecord& record, const WorkloadState& state) {
  Json item = render_record(record);
  item["last_seen_at"] = state.last_seen_ms == 0 ? Json(nullptr) : Json(format_time(state.last_seen_ms));
  item["connected"] = state.connected;
  item["agents"] = state.agents;
  item["revision"] = state.newest ? Json(state.newest->active) : Json(nullptr);
  item["offered"] = state.newest ? Json(state.newest->offered) : Json(nullptr);
  item["error"] = state.newest && !state.newest->error.empty() ? Json(state.newest->error) : Json(nullptr);
  item["coverage"] = state.processes ? Json(*state.processes) : Json(nullptr);
  return item;
}

// Neither part holds a line break.
std::string render_cursor(const Workloads::Position& position) {
  const std::string text = position.namespace_path + "\n" + position.name;
  return format_hex(std::as_bytes(std::span(text)));
}

std::optional<Workloads::Position> parse_cursor(const std::string& cursor) {
  const auto bytes = parse_hex(cursor);
  if (!bytes) return std::nullopt;
  const std::string text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const auto split = text.find('\n');
  if (split == std::string::npos) return std::nullopt;
  return Workloads::Position{text.substr(0, split), text.substr(split + 1)};
}

// {"app": "pay"}
Change<std::map<std::string, std::string>> read_labels(ObjectFields& fields, const std::string& key) {
  Change<std::map<std::string, std::string>> labels;
  const Json* object = fields.object(key, kMaxLabels, labels.present);
  if (object == nullptr) return labels;
  labels.value.emplace();
  for (const auto& [name, value] : object->items()) {
    if (!value.is_string() || !is_label(name, value.get_ref<const std::string&>())) {
      fields.refuse(key, "\"" + name.substr(0, 64) +
                             "\" is not a label: expected a name without '=' and a text, both of at most " +
                             std::to_string(kMaxLabelBytes) + " bytes without ',' or control characters");
      break;
    }
    labels.value->emplace(name, value.get<std::string>());
  }
  return labels;
}

}  // namespace

Result<Response> list_workloads(Workloads& workloads, AgentFleet& fleet, const Request& request) {
  QueryFields query(request);
  const std::string subtree = query.text("namespace").value_or(request.principal.scope);
  if (!parse_namespace_path(subtree)) query.refuse("namespace", "expected a namespace path");
  const auto name = query.text("name");
  if (name && !is_workload_name(*name)) query.refuse("name", kNameRule);
  Workloads::Position after;
  if (const auto cursor = query.text("cursor")) {
    const auto position = parse_cursor(*cursor);
    if (!position) query.refuse("cursor", "expected the next_cursor of a page");
    after = position.value_or(after);
  }
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (auto allowed = require(request.principal, Role::kViewer, subtree); !allowed) {
    return tl::unexpected(allowed.error());
  }
  Workloads::Page page;
  if (name) {
    auto found = workloads.get(subtree, *name);
    if (!found) return tl::unexpected(found.error());
    page.items.push_back(*std::move(found));
  } else {
    auto found = workloads.list(subtree, after, limit);
    if (!found) return tl::unexpected(found.error());
    page = *std::move(found);
  }
  Json body = Json::object();
  body["items"] = Json::array();
  for (const WorkloadRecord& record : page.items) {
    body["items"].push_back(render(record, fleet.reports().find(record.namespace_path, record.name)));
  }
  body["next_cursor"] = page.next_after ? Json(render_cursor(*page.next_after)) : Json(nullptr);
  return json_response(200, body);
}

Result<Response> put_workload(Workloads& workloads, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  WorkloadPut put;
  put.actor = request.principal;
  put.name = fields.required_text("name", kMaxWorkloadNameBytes);
  if (!fields.failed() && !is_workload_name(put.name)) fields.refuse("name", kNameRule);
  put.namespace_path = fields.required_text("namespace", kMaxNamespaceBytes);
  if (!fields.failed()) {
    if (const auto path = parse_namespace_path(put.namespace_path); !path) {
      fields.refuse("namespace", path.error().message);
    }
  }
  put.labels = read_labels(fields, "labels");
  put.target = fields.text("target", kMaxWorkloadNameBytes);
  if (put.target.value && !is_workload_target(*put.target.value)) {
    fields.refuse("target", "expected a target path without blanks or control characters");
  }
  put.rotate_token = fields.boolean("rotate_token").value.value_or(false);
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());

  auto result = workloads.put(put);
  if (!result) return tl::unexpected(result.error());
  Json answer = render_record(result->record);
  if (result->token) answer["token"] = *result->token;
  Response response = json_response(result->created ? 201 : 200, answer);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<Response> remove_workload(Workloads& workloads, const Request& request) {
  QueryFields query(request);
  WorkloadRemoval removal;
  removal.actor = request.principal;
  removal.namespace_path = query.required_text("namespace");
  if (!removal.namespace_path.empty() && !parse_namespace_path(removal.namespace_path)) {
    query.refuse("namespace", "expected a namespace path");
  }
  removal.name = query.required_text("name");
  if (!removal.name.empty() && !is_workload_name(removal.name)) query.refuse("name", kNameRule);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (auto done = workloads.remove(removal); !done) return tl::unexpected(done.error());
  Json answer = Json::object();
  answer["removed"] = removal.name;
  answer["namespace"] = removal.namespace_path;
  return json_response(200, answer);
}

}  // namespace egress::server
