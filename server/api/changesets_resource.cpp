#include "server/api/changesets_resource.h"

#include "server/api/operation_fields.h"
#include "server/api/quarantine_fields.h"
#include "server/service/manifest_refusals.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxDescriptionBytes = 4096;

// What one operation's fields are refused for comes under their whole path: "changes[3].domain".
Result<std::vector<Operation>> read_operations(ObjectFields& fields, UnixMillis now_ms, Warnings& warnings) {
  std::vector<Operation> operations;
  bool present = false;
  const Json* list = fields.array("changes", kMaxOperations, present);
  if (list == nullptr || list->empty()) fields.refuse("changes", "is required: expected an array of changes");
  for (std::size_t i = 0; list != nullptr && i < list->size() && !fields.failed(); ++i) {
    const std::string path = "changes[" + std::to_string(i) + "]";
    const Json& item = (*list)[i];
    if (!item.is_object()) {
      fields.refuse(path, std::string("expected an object with op, found a ") + item.type_name());
      break;
    }
    ObjectFields change(item, path);
    auto operation = read_operation(change, now_ms, warnings);
    if (!operation) return tl::unexpected(operation.error());
    operations.push_back(*std::move(operation));
  }
  return operations;
}

Json render_result(const OperationResult& result) {
  Json item = Json::object();
  item["op"] = result.op;
  if (!result.subject.empty()) item["subject"] = result.subject;
  item["result"] = result.result;
  if (result.applied.empty()) return item;
  item["applied"] = Json::array();
  for (const AppliedDocument& document : result.applied) {
    Json applied = Json::object();
    applied["kind"] = document.kind;
    applied["namespace"] = document.namespace_path;
    applied["name"] = document.name;
    applied["result"] = name_of(document.result);
    item["applied"].push_back(std::move(applied));
  }
  return item;
}

Json render_warnings(const Warnings& of_fields, const ChangesetResult& result) {
  Json list = Json::array();
  for (const std::string& warning : of_fields) {
    Json item = Json::object();
    item["message"] = warning;
    list.push_back(std::move(item));
  }
  for (const auto& [index, problem] : result.warnings) {
    Json item = Json::object();
    item["change"] = index;
    for (const auto& field : render_problems({problem}).front().items()) item[field.key()] = field.value();
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace

Result<Response> apply_changeset(Changesets& changesets, const Clock& clock, const Request& request) {
  QueryFields query(request);
  Changeset changeset;
  changeset.force = query.flag("force");
  changeset.dry_run = query.flag("dry_run");
  changeset.actor = request.principal;
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  Warnings warnings;
  changeset.description = fields.text("description", kMaxDescriptionBytes).value.value_or("");
  auto operations = read_operations(fields, clock.now_ms(), warnings);
  if (!operations) return tl::unexpected(operations.error());
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  changeset.operations = *std::move(operations);

  const auto result = changesets.apply(changeset);
  if (!result) return tl::unexpected(result.error());
  Json answer = Json::object();
  answer["revision"] = result->revision == 0 ? Json(nullptr) : Json(result->revision);
  answer["results"] = Json::array();
  for (const OperationResult& one : result->results) answer["results"].push_back(render_result(one));
  answer["cascade_warnings"] = render_cascade(result->cascade_warnings);
  answer["warnings"] = render_warnings(warnings, *result);
  answer["restricts"] = result->restricts;
  if (result->live_sessions) add_quarantine(answer, *result->live_sessions);
  if (changeset.dry_run) answer["dry_run"] = true;
  return json_response(200, answer);
}

}  // namespace egress::server
