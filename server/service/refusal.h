// Why a service did not do what it was asked, in the terms of the API: a kind for the one place that maps to HTTP, a
// stable code for programs, a sentence for people, and further fields where the API promises some.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "shared/base/error.h"

namespace egress::server {

struct Refusal {
  ErrorCode kind = ErrorCode::kInternal;
  std::string code;     // "namespace_unknown"
  std::string message;  // empty only where the API's body has none
  // An object whose fields stand between "error" and "message"; null: none.
  std::shared_ptr<const nlohmann::ordered_json> fields;

  Refusal(ErrorCode kind_of_error, std::string stable_code, std::string text)
      : kind(kind_of_error), code(std::move(stable_code)), message(std::move(text)) {}
  // What the store failed with.
  explicit Refusal(const Error& error);
};

template <typename T>
using Result = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(ErrorCode kind, std::string code, std::string message) {
  return tl::unexpected<Refusal>(Refusal(kind, std::move(code), std::move(message)));
}

// With the further field "field": where in the request the problem is.
tl::unexpected<Refusal> refuse_field(std::string code, const std::string& field, std::string message);

}  // namespace egress::server
