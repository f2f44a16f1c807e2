// When an agent that nobody uses may end.
#pragma once

#include <cstdint>

#include "shared/base/clock.h"

namespace egress {

class IdleWatch {
 public:
  // 0: never.
  IdleWatch(std::int64_t idle_exit_s, UnixMillis now_ms) : limit_ms_(idle_exit_s * 1000), since_ms_(now_ms) {}

  // True once it has been unused for the whole time. A clock that jumps back starts the time anew.
  bool is_over(bool used, UnixMillis now_ms) {
    if (used || now_ms < since_ms_) since_ms_ = now_ms;
    return limit_ms_ > 0 && now_ms - since_ms_ >= limit_ms_;
  }

 private:
  std::int64_t limit_ms_;
  UnixMillis since_ms_;
};

}  // namespace egress
