// The one error type of the project and the alias that carries it. Functions that can fail on input return
// Expected<T>; exceptions stop where a library throws them. Bugs are asserted, not returned.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace egress {

enum class ErrorCode {
  kInvalidArgument,  // the caller's bytes are malformed; message says what was expected
  kNotFound,
  kConflict,
  kTooLarge,     // a documented limit is exceeded
  kCorrupt,      // stored or transmitted bytes fail verification
  kUntrusted,    // bytes are intact but not signed by the trusted key
  kUnauthenticated,  // nobody known asks
  kForbidden,        // somebody known asks for what is not theirs to do
  kRateLimited,      // asked too often; later it may be granted
  kUnavailable,  // a peer or resource cannot be reached now; retrying may help
  kInternal,
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one sentence, no trailing period, names the offending value and what was expected
};

template <typename T>
using Expected = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace egress
