// The Error of a system call that failed just now: kUnavailable, `what` and the reason in errno.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "shared/base/error.h"

namespace egress::server {

inline tl::unexpected<Error> system_failure(const std::string& what) {
  return fail(ErrorCode::kUnavailable, what + ": " + std::strerror(errno));
}

}  // namespace egress::server
