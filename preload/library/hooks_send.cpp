// The hooks for sending: a datagram's destination, and with MSG_FASTOPEN a connection's. Wrappers only.
#include <errno.h>

#include "preload/library/enforcement.h"
#include "preload/library/export.h"
#include "preload/library/real_calls.h"

using egress::CallVerdict;
using egress::SockaddrCopy;

EGRESS_HOOK ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
                           socklen_t length) {
  SockaddrCopy copy;
  switch (egress::judge_send(egress::process_state(), fd, flags, address, length, copy)) {
    case CallVerdict::kPass:
      return egress::call_real_sendto(fd, data, size, flags, address, length);
    case CallVerdict::kProceed:
      return egress::call_real_sendto(fd, data, size, flags, copy.get(), copy.length);
    case CallVerdict::kRefuse:
      break;
  }
  errno = ECONNREFUSED;
  return -1;
}

EGRESS_HOOK ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  SockaddrCopy copy;
  msghdr message_copy;
  switch (egress::judge_send_message(egress::process_state(), fd, flags, message, message_copy, copy)) {
    case CallVerdict::kPass:
      return egress::call_real_sendmsg(fd, message, flags);
    case CallVerdict::kProceed:
      return egress::call_real_sendmsg(fd, &message_copy, flags);
    case CallVerdict::kRefuse:
      break;
  }
  errno = ECONNREFUSED;
  return -1;
}
