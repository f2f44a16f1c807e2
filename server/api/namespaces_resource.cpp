#include "server/api/namespaces_resource.h"

#include "server/api/operation_fields.h"
#include "server/api/quarantine_fields.h"
#include "server/service/domain_json.h"
#include "server/service/json_values.h"
#include "server/service/namespace_write.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

// "broken": its own entries that an ancestor does not cover; "cascade_state" sums that up.
Json render_view(const NamespaceView& view) {
  const NamespaceRecord& record = view.record;
  const bool is_root = record.path == kRootNamespace;
  Json item = Json::object();
  item["name"] = record.path;
  item["parent"] = is_root ? Json(nullptr) : Json(std::string(parent_namespace(record.path)));
  item["parent_exists"] = view.parent_exists;
  item["depth"] = namespace_depth(record.path);
  item["description"] = record.description;
  item["allowed_domains"] = render_domains(record.allowed);
  item["blocked_domains"] = render_domains(record.blocked);
  item["mode"] = name_or_null(record.mode);
  item["loopback"] = name_or_null(record.loopback);
  item["lookups"] = name_or_null(record.lookups);
  if (is_root) item["default_action"] = name_or_null(record.default_action);
  Json effective = Json::object();
  effective["mode"] = name_of(view.effective.mode);
  effective["loopback"] = name_of(view.effective.loopback);
  effective["lookups"] = name_of(view.effective.lookups);
  item["effective"] = std::move(effective);
  Json broken = Json::array();
  for (const Uncovered& uncovered : view.broken) {
    Json one = Json::object();
    one["ancestor"] = uncovered.ancestor;
    one["uncovered_domains"] = uncovered.domains;
    broken.push_back(std::move(one));
  }
  item["cascade_state"] = broken.empty() ? "ok" : "broken";
  item["broken"] = std::move(broken);
  item["created_at"] = format_time(record.created_at_ms);
  item["updated_at"] = format_time(record.updated_at_ms);
  return item;
}

Json render_detail(const NamespaceDetail& detail) {
  Json item = render_view(detail.view);
  item["effective_allowed_domains"] = detail.effective_allowed ? Json(*detail.effective_allowed) : Json(nullptr);
  item["effective_blocked_domains"] = detail.effective_blocked;
  item["broken_children"] = render_cascade(detail.broken_children);
  item["live_sessions"] = detail.live_sessions;
  return item;
}

Json list_of(Json item) {
  Json body = Json::object();
  body["items"] = Json::array();
  body["items"].push_back(std::move(item));
  body["next_cursor"] = nullptr;
  return body;
}

void read_path(QueryFields& query, const std::string& name) {
  if (const auto path = parse_namespace_path(name); !path) query.refuse("name", path.error().message);
}

}  // namespace

Result<Response> list_namespaces(Namespaces& namespaces, const Request& request) {
  QueryFields query(request);
  const auto name = query.text("name");
  if (name) read_path(query, *name);
  const std::string cursor = query.text("cursor").value_or("");
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (!cursor.empty() && !parse_namespace_path(cursor)) query.refuse("cursor", "expected the next_cursor of a page");
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (name) {
    if (auto seen = require_sight(request.principal, *name); !seen) return tl::unexpected(seen.error());
    const auto detail = namespaces.describe(*name);
    if (!detail) return tl::unexpected(detail.error());
    return json_response(200, list_of(render_detail(*detail)));
  }
  const auto page = namespaces.list(request.principal, cursor, limit);
  if (!page) return tl::unexpected(page.error());
  Json body = Json::object();
  body["items"] = Json::array();
  for (const NamespaceView& view : page->items) body["items"].push_back(render_view(view));
  body["next_cursor"] = page->next_after ? Json(*page->next_after) : Json(nullptr);
  return json_response(200, body);
}

Result<Response> put_namespace(Namespaces& namespaces, const Request& request) {
  QueryFields query(request);
  const bool force = query.flag("force");
  const bool dry_run = query.flag("dry_run");
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  Warnings warnings;
  NamespacePut put = read_namespace_put(fields, warnings);
  put.force = force;
  put.dry_run = dry_run;
  put.actor = request.principal;
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());

  const auto result = namespaces.put(put);
  if (!result) return tl::unexpected(result.error());
  Json answer = render_view(result->view);
  if (put.dry_run) answer["dry_run"] = true;
  if (!result->cascade_warnings.empty()) answer["cascade_warnings"] = render_cascade(result->cascade_warnings);
  if (result->live_sessions) add_quarantine(answer, *result->live_sessions);
  if (!warnings.empty()) answer["warnings"] = warnings;
  return json_response(result->created && !put.dry_run ? 201 : 200, answer);
}

Result<Response> remove_namespace(Namespaces& namespaces, const Request& request) {
  QueryFields query(request);
  NamespaceRemoval removal;
  removal.path = query.required_text("name");
  if (!removal.path.empty()) read_path(query, removal.path);
  removal.force = query.flag("force");
  removal.dry_run = query.flag("dry_run");
  removal.actor = request.principal;
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto live_sessions = namespaces.remove(removal);
  if (!live_sessions) return tl::unexpected(live_sessions.error());
  Json answer = Json::object();
  answer["removed"] = removal.path;
  if (*live_sessions > 0) add_quarantine(answer, *live_sessions);
  if (removal.dry_run) answer["dry_run"] = true;
  return json_response(200, answer);
}

}  // namespace egress::server
