#include "server/api/egress_policy_resource.h"

#include "server/api/operation_fields.h"
#include "server/service/json_values.h"

namespace egress::server {
namespace {

Json render_entry(const EgressPolicy::ListedEntry& listed) {
  const EgressEntry& entry = listed.entry;
  Json item = Json::object();
  item["domain"] = format_host_pattern(entry.pattern);
  item["reason"] = entry.reason;
  if (entry.action == Action::kAllow) item["require_auth"] = entry.require_auth;
  item["expires_at"] = time_or_null(entry.expires_at_ms);
  item["created_by"] = entry.created_by;
  item["created_at"] = format_time(entry.created_at_ms);
  item["hits"] = listed.hits;
  item["last_used_at"] = time_or_null(listed.last_used_ms);
  return item;
}

}  // namespace

Result<Response> list_egress_policy(EgressPolicy& policy, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto entries = policy.list();
  if (!entries) return tl::unexpected(entries.error());
  Json body = Json::object();
  body["allowed"] = Json::array();
  body["blocked"] = Json::array();
  for (const auto& listed : *entries) {
    body[listed.entry.action == Action::kAllow ? "allowed" : "blocked"].push_back(render_entry(listed));
  }
  return json_response(200, body);
}

Result<Response> put_egress_entry(EgressPolicy& policy, const Clock& clock, Action action, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  Warnings warnings;
  EgressPolicy::Put put = read_egress_put(fields, action, clock.now_ms(), warnings);
  put.actor = request.principal;
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());

  const auto result = policy.put(put);
  if (!result) return tl::unexpected(result.error());
  Json answer = render_entry(result->listed);
  if (!warnings.empty()) answer["warnings"] = warnings;
  return json_response(result->created ? 201 : 200, answer);
}

Result<Response> remove_egress_entry(EgressPolicy& policy, Action action, const Request& request) {
  QueryFields query(request);
  const std::string domain = query.required_text("domain");
  const auto parsed = parse_host_pattern(domain);
  if (!parsed) query.refuse("domain", parsed.error().message);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto removed = policy.remove(action, parsed->pattern, request.principal);
  if (!removed) return tl::unexpected(removed.error());
  Json answer = Json::object();
  answer["removed"] = format_host_pattern(removed->pattern);
  return json_response(200, answer);
}

}  // namespace egress::server
