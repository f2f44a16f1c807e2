// The verdict on one network call: the core behind the hooks, which are wrappers around it. Takes the state as a
// parameter, so that tests need no injection. On the way of an established session: no lock, no allocation, no thread,
// and at most the system calls of sockaddr_copy.h and one look at the socket's protocol.
#pragma once

#include <sys/socket.h>

#include "preload/library/sockaddr_copy.h"
#include "preload/library/state.h"

namespace egress {

enum class CallVerdict {
  kPass,     // nothing to judge and no copy: call on with the program's own arguments, errno is the kernel's
  kProceed,  // let through, or not ours to judge: call on with the copy
  kRefuse,   // ECONNREFUSED
};

CallVerdict judge_connect(State& state, int fd, const sockaddr* name, socklen_t length, SockaddrCopy& copy) noexcept;

// sendto. A TCP socket ignores a destination without MSG_FASTOPEN.
CallVerdict judge_send(State& state, int fd, int flags, const sockaddr* name, socklen_t length,
                       SockaddrCopy& copy) noexcept;

// sendmsg. With kProceed, `message_copy` names `copy` and shares the rest with the program's message.
CallVerdict judge_send_message(State& state, int fd, int flags, const msghdr* message, msghdr& message_copy,
                               SockaddrCopy& copy) noexcept;

}  // namespace egress
