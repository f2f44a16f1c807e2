// The functions that our hooks stand in front of: the next definition in the loader's order, so that other preloads
// keep working. They are looked up in a constructor that does nothing else, because dlsym takes locks and a hook may be
// called from a signal handler; a hook that is called before that constructor makes the plain system call instead.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

namespace egress {

int call_real_connect(int fd, const sockaddr* address, socklen_t length);
int call_real_dunder_connect(int fd, const sockaddr* address, socklen_t length);  // __connect
ssize_t call_real_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length);
ssize_t call_real_sendmsg(int fd, const msghdr* message, int flags);

// Not async-signal-safe, like getaddrinfo itself, and therefore looked up at any time.
int call_real_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

}  // namespace egress
