#include "server/service/refusal.h"

#include <nlohmann/json.hpp>

namespace egress::server {
namespace {

std::string code_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_request";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kUnavailable:
      return "store_unavailable";
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kForbidden:
    case ErrorCode::kRateLimited:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUntrusted:
    case ErrorCode::kInternal:
      break;
  }
  return "internal_error";
}

}  // namespace

Refusal::Refusal(const Error& error) : kind(error.code), code(code_for(error.code)), message(error.message) {}

tl::unexpected<Refusal> refuse_field(std::string code, const std::string& field, std::string message) {
  Refusal refusal(ErrorCode::kInvalidArgument, std::move(code), std::move(message));
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  fields["field"] = field;
  refusal.fields = std::make_shared<const nlohmann::ordered_json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

}  // namespace egress::server
