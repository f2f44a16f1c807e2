// A session's credentials, taken from the request's header to the gate.
#include <boost/beast/http/field.hpp>

#include "server/http/errors.h"
#include "server/http/session.h"

namespace egress::server {
namespace {

namespace http = boost::beast::http;

}  // namespace

// Before the body is read: a stranger must not make us buffer it.
void Session::admit(Plan& plan) const {
  const auto& request = parser_->get();
  const auto site = request["Sec-Fetch-Site"];
  const std::string_view sec_fetch_site(site.data(), site.size());
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
      is_same_origin(field(http::field::origin), sec_fetch_site, field(http::field::host), is_secure());
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
