#include "server/api/mode_resource.h"

#include "server/api/fields.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

Response render_mode(Mode mode) {
  Json body = Json::object();
  body["mode"] = name_of(mode);
  return json_response(200, body);
}

}  // namespace

Result<Response> get_mode(ServerMode& mode, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  return mode.get().map(render_mode);
}

Result<Response> set_mode(ServerMode& mode, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  const auto wanted = fields.name("mode", find_mode, "enforcement, shadow, discovery");
  if (!wanted.value) fields.refuse("mode", "is required: one of enforcement, shadow, discovery");
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  if (auto may_set = require(request.principal, Role::kAdmin, kRootNamespace); !may_set) {
    return tl::unexpected(may_set.error());
  }
  return mode.set(*wanted.value, request.principal).map(render_mode);
}

}  // namespace egress::server
