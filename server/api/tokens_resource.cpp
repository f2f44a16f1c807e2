#include "server/api/tokens_resource.h"

#include "server/api/domain_fields.h"
#include "server/api/fields.h"
#include "server/service/json_values.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;
constexpr std::size_t kMaxNamespaceBytes = 1100;

Json render_token(const Tokens::Listed& listed) {
  const TokenRecord& record = listed.record;
  Json item = Json::object();
  item["id"] = record.id;
  item["name"] = record.name;
  item["role"] = std::string(name_of(static_cast<Role>(record.role)));
  item["namespace"] = record.namespace_path;
  item["state"] = std::string(name_of(listed.state));
  item["expires_at"] = time_or_null(record.expires_at_ms);
  item["revoked_at"] = time_or_null(record.revoked_at_ms);
  item["created_by"] = record.created_by;
  item["created_at"] = format_time(record.created_at_ms);
  return item;
}

}  // namespace

Result<Response> create_token(Tokens& tokens, const Clock& clock, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  TokenPut put;
  put.actor = request.principal;
  put.name = fields.required_text("name", kMaxTokenNameBytes);
  const auto role = fields.name("role", find_role, "viewer, operator, admin");
  if (!role.value) fields.refuse("role", "is required: one of viewer, operator, admin");
  put.role = role.value.value_or(Role::kViewer);
  put.namespace_path = fields.text("namespace", kMaxNamespaceBytes).value.value_or(std::string(kRootNamespace));
  if (!fields.failed()) {
    if (const auto path = parse_namespace_path(put.namespace_path); !path) {
      fields.refuse("namespace", path.error().message);
    }
  }
  put.expires_at_ms = read_expiry(fields, clock.now_ms()).value;
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());

  const auto issued = tokens.create(put);
  if (!issued) return tl::unexpected(issued.error());
  Json answer = Json::object();
  answer["id"] = issued->record.id;
  answer["token"] = issued->text;
  answer["name"] = issued->record.name;
  answer["role"] = std::string(name_of(put.role));
  answer["namespace"] = issued->record.namespace_path;
  answer["expires_at"] = time_or_null(issued->record.expires_at_ms);
  Response response = json_response(201, answer);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<Response> list_tokens(Tokens& tokens, const Request& request) {
  QueryFields query(request);
  const std::string cursor = query.text("cursor").value_or("");
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto page = tokens.list(request.principal, cursor, limit);
  if (!page) return tl::unexpected(page.error());
  Json body = Json::object();
  body["items"] = Json::array();
  for (const Tokens::Listed& listed : page->items) body["items"].push_back(render_token(listed));
  body["next_cursor"] = page->next_after ? Json(*page->next_after) : Json(nullptr);
  return json_response(200, body);
}

Result<Response> revoke_token_by_id(Tokens& tokens, const Request& request) {
  QueryFields query(request);
  const std::string id = query.required_text("id");
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto revoked = tokens.revoke(id, request.principal);
  if (!revoked) return tl::unexpected(revoked.error());
  Json answer = Json::object();
  answer["removed"] = revoked->id;
  return json_response(200, answer);
}

}  // namespace egress::server
