// Our own copy of a destination: what is judged is what the kernel is then given, so that another thread cannot change
// it in between. Reading never faults: memory that is not readable is found out by a system call that would return
// EFAULT, and the call is then left to the kernel, which answers as it always does.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "shared/net/address.h"

namespace egress {

// Copies `size` bytes, 8 <= size <= 4096, if they are readable. One system call, two if the bytes straddle pages, none
// if they lie in the page of the caller's own stack frame or on the main thread's stack above it. (A page that another
// thread unmaps meanwhile still faults.)
bool copy_readable(void* to, const void* from, std::size_t size) noexcept;

// Which kernel interface takes the name; they differ in what they accept.
enum class NameUse { kConnect, kSendTo, kSendMessage };

enum class NameKind {
  kNone,      // no name, or one whose length the kernel refuses, or unreadable memory: nothing was copied
  kOther,     // copied, but of a family that is not judged
  kInternet,  // copied and decoded
};

struct SockaddrCopy {
  alignas(8) unsigned char bytes[sizeof(sockaddr_storage)];  // the first `length` are set
  socklen_t length = 0;
  Address address;                  // canonical()
  std::uint16_t port = 0;           // host order
  bool unspecified_family = false;  // AF_UNSPEC in a send, which IPv4 datagram sockets take for AF_INET

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(bytes); }

  NameKind take(const sockaddr* name, socklen_t name_length, NameUse use) noexcept;
};

}  // namespace egress
