#include "server/api/session_resource.h"

#include "server/api/fields.h"
#include "server/api/token_gate.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxTokenBytes = 256;

Response render_session(const TokenRegistry& registry, const Principal& principal) {
  const bool is_user = principal.kind == Principal::Kind::kUser;
  const bool is_workload = principal.kind == Principal::Kind::kWorkload;
  const bool is_open = !registry.is_closed();
  const bool has_role = is_user || (is_open && !is_workload);
  Json body = Json::object();
  body["authenticated"] = is_user || is_workload;
  body["open"] = is_open;
  body["name"] = has_role || is_workload ? Json(principal.name) : Json(nullptr);
  body["role"] = has_role ? Json(std::string(name_of(principal.role))) : Json(nullptr);
  body["namespace"] = has_role || is_workload ? Json(principal.scope) : Json(nullptr);
  Response response = json_response(200, body);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

std::string cookie(const std::string& value, UnixMillis lifetime_ms, bool secure) {
  return std::string(kSessionCookie) + "=" + value +
         "; HttpOnly; SameSite=Strict; Path=/; Max-Age=" + std::to_string(lifetime_ms / 1000) +
         (secure ? "; Secure" : "");
}

Result<Response> refuse_login(AuthFailures& failures, const Request& request, const Refusal& refusal) {
  FailedAttempt attempt;
  attempt.peer = request.peer;
  attempt.path = request.path;
  attempt.reason = refusal.code;
  attempt.is_guess = refusal.code == "unauthenticated";
  const AuthFailures::Noted noted = failures.note(attempt);
  if (noted.row_due) {
    if (auto done = failures.record(); !done) return tl::unexpected(done.error());
  }
  if (noted.retry_after_s) return tl::unexpected(rate_limited(*noted.retry_after_s));
  return tl::unexpected(refusal);
}

}  // namespace

Result<Response> begin_session(const TokenRegistry& registry, UiSessions& sessions, AuthFailures& failures,
                               const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  const std::string token = fields.required_text("token", kMaxTokenBytes);
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  const auto principal = registry.authenticate(token);
  if (!principal) return refuse_login(failures, request, principal.error());
  if (principal->kind != Principal::Kind::kUser) {
    return refuse(ErrorCode::kForbidden, "role_required", "a workload's token opens no session: it has no role");
  }
  if (!request.session_cookie.empty()) sessions.end(request.session_cookie);
  Response response = render_session(registry, *principal);
  response.headers.emplace_back("Set-Cookie", cookie(sessions.begin(*principal), kUiSessionLifetimeMs, request.secure));
  return response;
}

Result<Response> get_session(const TokenRegistry& registry, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  return render_session(registry, request.principal);
}

Result<Response> end_session(const TokenRegistry& registry, UiSessions& sessions, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (!request.session_cookie.empty()) sessions.end(request.session_cookie);
  const Principal nobody;
  Response response = render_session(registry, registry.is_closed() ? nobody : Principal::open());
  response.headers.emplace_back("Set-Cookie", cookie("", 0, request.secure));
  return response;
}

}  // namespace egress::server
