#include "server/api/token_gate.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace egress::server {
namespace {

// RFC 6750: the scheme in any case, one or more blanks, the token. nullopt if it is another scheme.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const bool is_bearer = authorization.size() >= kScheme.size() &&
                         std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                                    [&](char expected, char given) { return expected == lower(given); });
  if (!is_bearer) return std::nullopt;
  std::string_view token = authorization.substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  while (token.ends_with(' ')) token.remove_suffix(1);
  return token;
}

Refusal refuse_role(const Route& route, const Principal& principal) {
  const std::string needed(name_of(route.access.role));
  const bool is_workload = principal.kind == Principal::Kind::kWorkload;
  Refusal refusal(ErrorCode::kForbidden, "role_required",
                  "this call needs role " + needed + "; " +
                      (is_workload ? "a workload's token serves bundles, status and telemetry only"
                                   : principal.name + " is " + std::string(name_of(principal.role))));
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  fields["needed_role"] = needed;
  refusal.fields = std::make_shared<const nlohmann::ordered_json>(std::move(fields));
  return refusal;
}

// What a known principal may not do on a route at all.
std::optional<Refusal> find_role_problem(const Route& route, const Principal& principal) {
  const bool is_user = principal.kind == Principal::Kind::kUser;
  const bool has_role = is_user && principal.role >= route.access.role;
  switch (route.access.audience) {
    case Access::Audience::kAnyone:
      return std::nullopt;
    case Access::Audience::kRole:
      if (!has_role) return refuse_role(route, principal);
      return std::nullopt;
    case Access::Audience::kWorkload:
      break;
  }
  if (!is_user || (route.access.users_too && has_role)) return std::nullopt;
  if (route.access.users_too) return refuse_role(route, principal);
  return Refusal(ErrorCode::kForbidden, "workload_token_required",
                 "this call is for workloads: it needs the token that a workload was registered with, not a person's");
}

}  // namespace

Refusal rate_limited(std::int64_t retry_after_s) {
  Refusal refusal(ErrorCode::kRateLimited, "rate_limited",
                  "too many failed attempts from this address: try again in " + std::to_string(retry_after_s) +
                      " s (a valid token is accepted at any time)");
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  fields["retry_after_s"] = retry_after_s;
  refusal.fields = std::make_shared<const nlohmann::ordered_json>(std::move(fields));
  return refusal;
}

std::optional<Result<Principal>> TokenGate::identify(const Credentials& credentials) {
  if (!credentials.authorization.empty()) {
    const auto token = bearer_token(credentials.authorization);
    if (token) return registry_.authenticate(*token);
    return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "expected \"Authorization: Bearer\" and a token");
  }
  if (credentials.session.empty()) return std::nullopt;
  auto principal = sessions_.find(credentials.session);
  if (!principal) return refuse(ErrorCode::kUnauthenticated, "session_over", "the session is over: log in again");
  if (auto live = registry_.recheck(*principal); !live) {
    sessions_.end(credentials.session);
    return tl::unexpected(live.error());
  }
  return *std::move(principal);
}

bool TokenGate::needs_known(const Route& route) const {
  switch (route.access.audience) {
    case Access::Audience::kAnyone:
      return false;
    case Access::Audience::kRole:
      return registry_.is_closed();
    case Access::Audience::kWorkload:
      break;
  }
  return registry_.is_closed_to_workloads();
}

Principal TokenGate::stranger() const {
  return registry_.is_closed() ? Principal{Principal::Kind::kNobody, "anonymous", Role::kViewer, {}, {}, {}}
                               : Principal::open();
}

Gate::Admission TokenGate::refuse_stranger(const Refusal& refusal, const Credentials& credentials, bool offered) {
  FailedAttempt attempt;
  attempt.peer = credentials.peer;
  attempt.path = std::string(credentials.path);
  attempt.reason = offered ? refusal.code : "no_token";
  attempt.is_guess = offered && refusal.code == "unauthenticated";
  const AuthFailures::Noted noted = failures_.note(attempt);
  if (noted.retry_after_s) return {tl::unexpected(rate_limited(*noted.retry_after_s)), noted.row_due};
  return {tl::unexpected(refusal), noted.row_due};
}

Gate::Admission TokenGate::admit(const Route& route, const Credentials& credentials) {
  const bool needs = needs_known(route);
  // On an open server everyone may do everything; a token there is at best a workload's.
  const bool opens = !needs && route.access.audience == Access::Audience::kRole;
  if (opens) return {Principal::open()};
  auto identified = identify(credentials);
  if (!needs && (!identified || !*identified)) return {stranger()};  // what is not needed need not be right
  if (!identified) {
    const Refusal refusal(ErrorCode::kUnauthenticated, "unauthenticated",
                          "this call needs a token: send \"Authorization: Bearer\" and the token");
    return refuse_stranger(refusal, credentials, false);
  }
  if (!*identified) return refuse_stranger(identified->error(), credentials, true);
  const Principal& principal = **identified;
  const bool by_cookie = credentials.authorization.empty();
  if (by_cookie && credentials.changes_state && !credentials.same_origin) {
    return {refuse(ErrorCode::kForbidden, "cross_site",
                   "a request by cookie may change something only from this server's own pages: the browser must send "
                   "Sec-Fetch-Site: same-origin or this server's Origin")};
  }
  if (needs) {
    if (auto problem = find_role_problem(route, principal)) return {tl::unexpected(*std::move(problem))};
  }
  return {principal};
}

Result<void> TokenGate::recheck(const Route& route, const Principal& principal) const {
  const bool by_token = !principal.token_id.empty();
  if (by_token) {
    if (route.access.audience == Access::Audience::kAnyone) return {};
    return registry_.recheck(principal);
  }
  if (!needs_known(route)) return {};
  return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "this call needs a token now");
}

void TokenGate::record_failures() {
  if (auto done = failures_.record(); !done) {
    spdlog::error("failed authentication could not be audited: {}", done.error().message);
  }
}

}  // namespace egress::server
