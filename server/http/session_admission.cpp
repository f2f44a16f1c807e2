// What a session asks of a request's header before its body: that it was meant for this server, and who sent it.
#include <boost/beast/http/field.hpp>

#include "server/http/errors.h"
#include "server/http/session.h"

namespace egress::server {
namespace {

namespace http = boost::beast::http;

}  // namespace

std::optional<Response> Session::check_access() const {
  const auto& request = parser_->get();
  const std::string_view host = field(http::field::host);
  if (request.count(http::field::host) != 1) {
    return error_response(400, "invalid_host", "exactly one Host field is required", ErrorStyle::kApi);
  }
  if (!host_.allowed_hosts.holds(host)) {
    return error_response(403, "foreign_host",
                          "this server answers to " + host_.allowed_hosts.describe() + ", not to " + std::string(host),
                          ErrorStyle::kApi);
  }
  const bool changes_state = request.method() != http::verb::get && request.method() != http::verb::head;
  if (changes_state &&
      is_cross_site(field(http::field::origin), sec_fetch_site(), field(http::field::host), is_secure())) {
    return error_response(403, "cross_site", "requests from pages of another origin may not change anything",
                          ErrorStyle::kApi);
  }
  return std::nullopt;
}

std::string_view Session::sec_fetch_site() const {
  const auto value = parser_->get()["Sec-Fetch-Site"];
  return {value.data(), value.size()};
}

// Before the body is read: a stranger must not make us buffer it.
void Session::admit(Plan& plan) const {
  const auto& request = parser_->get();
  Request& planned = plan.request;
  if (request.count(http::field::authorization) > 1 || request.count(http::field::cookie) > 1) {
    plan.refusal = error_response(400, "invalid_credentials", "Authorization and Cookie may be given once each",
                                  plan.route->errors);
    return;
  }
  planned.peer = peer_;
  planned.secure = is_secure();
  planned.session_cookie = std::string(find_cookie(field(http::field::cookie), kSessionCookie));
  Credentials credentials;
  credentials.authorization = field(http::field::authorization);
  credentials.session = planned.session_cookie;
  credentials.changes_state = planned.method != Method::kGet && planned.method != Method::kHead;
  credentials.same_origin =
      is_same_origin(field(http::field::origin), sec_fetch_site(), field(http::field::host), is_secure());
  credentials.peer = peer_;
  credentials.path = planned.path;
  Gate::Admission admission = host_.gate.admit(*plan.route, credentials);
  plan.failure_to_record = admission.failure_to_record;
  if (admission.principal) {
    planned.principal = *std::move(admission.principal);
  } else {
    plan.refusal = error_response(admission.principal.error(), plan.route->errors);
  }
}

}  // namespace egress::server
