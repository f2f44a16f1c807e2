#include "server/http/errors.h"

#include <nlohmann/json.hpp>

#include "shared/json/strict_json.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

unsigned status_of(ErrorCode kind) {
  switch (kind) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kRateLimited:
      return 429;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kCorrupt:
    case ErrorCode::kUntrusted:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

// google.rpc.Code
int rpc_code_of(unsigned status) {
  switch (status) {
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 5;  // NOT_FOUND
    case 409:
      return 6;  // ALREADY_EXISTS
    case 413:
    case 429:
      return 8;  // RESOURCE_EXHAUSTED
    case 500:
      return 13;  // INTERNAL
    case 503:
      return 14;  // UNAVAILABLE
    default:
      return 3;  // INVALID_ARGUMENT
  }
}

Response render(unsigned status, const Json& body) {
  Response response;
  response.status = status;
  response.body = render_json(body) + "\n";
  return response;
}

Response render_rpc_status(unsigned status, const std::string& message) {
  Json body = Json::object();
  body["code"] = rpc_code_of(status);
  body["message"] = message;
  return render(status, body);
}

// What RFC 9110 asks for beside the status.
void add_headers(Response& response, const Refusal& refusal) {
  if (refusal.kind == ErrorCode::kUnauthenticated) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (refusal.kind == ErrorCode::kRateLimited && refusal.fields && refusal.fields->contains("retry_after_s")) {
    response.headers.emplace_back("Retry-After", refusal.fields->at("retry_after_s").dump());
  }
}

}  // namespace

Response error_response(const Refusal& refusal, ErrorStyle style) {
  const unsigned status = status_of(refusal.kind);
  if (style == ErrorStyle::kRpcStatus) {
    Response response = render_rpc_status(status, refusal.message);
    add_headers(response, refusal);
    return response;
  }
  Json body = Json::object();
  body["error"] = refusal.code;
  if (refusal.fields) {
    for (const auto& item : refusal.fields->items()) body[item.key()] = item.value();
  }
  if (!refusal.message.empty()) body["message"] = refusal.message;
  Response response = render(status, body);
  add_headers(response, refusal);
  return response;
}

Response error_response(unsigned status, const std::string& code, const std::string& message, ErrorStyle style) {
  if (style == ErrorStyle::kRpcStatus) return render_rpc_status(status, message);
  Json body = Json::object();
  body["error"] = code;
  body["message"] = message;
  return render(status, body);
}

}  // namespace egress::server
