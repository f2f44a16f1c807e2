// The hooks for connections. Wrappers only: judge, then the real call or ECONNREFUSED. Not noexcept: they are
// cancellation points, like what they stand for.
#include <errno.h>

#include "preload/library/enforcement.h"
#include "preload/library/export.h"
#include "preload/library/real_calls.h"

using egress::CallVerdict;
using egress::SockaddrCopy;

namespace {

template <auto kCallReal>
int hook_connect(int fd, const sockaddr* address, socklen_t length) {
  SockaddrCopy copy;
  switch (egress::judge_connect(egress::process_state(), fd, address, length, copy)) {
    case CallVerdict::kPass:
      return kCallReal(fd, address, length);
    case CallVerdict::kProceed:
      return kCallReal(fd, copy.get(), copy.length);
    case CallVerdict::kRefuse:
      break;
  }
  errno = ECONNREFUSED;
  return -1;
}

}  // namespace

EGRESS_HOOK int connect(int fd, const sockaddr* address, socklen_t length) {
  return hook_connect<egress::call_real_connect>(fd, address, length);
}

EGRESS_HOOK int __connect(int fd, const sockaddr* address, socklen_t length) {
  return hook_connect<egress::call_real_dunder_connect>(fd, address, length);
}
