#include "server/api/mode_resource.h"

#include "server/api/operation_fields.h"

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
  const Mode wanted = read_mode(fields);
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  return mode.set(wanted, request.principal).map(render_mode);
}

}  // namespace egress::server
