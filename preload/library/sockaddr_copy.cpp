#include "preload/library/sockaddr_copy.h"

#include <errno.h>
#include <netinet/in.h>

#include <cstring>

#include "preload/library/raw_syscall.h"

extern "C" void* __libc_stack_end;  // set by the dynamic loader

namespace egress {
namespace {

constexpr std::uintptr_t kPageMask = 4095;
constexpr std::size_t kProbeBytes = 8;  // what the kernel reads as a signal set
constexpr socklen_t kMinIpv4Bytes = sizeof(sockaddr_in);
constexpr socklen_t kMinIpv6Bytes = 24;  // SIN6_LEN_RFC2133: the scope id may be missing

// The kernel reads the new mask before it looks at `how`: EFAULT tells unreadable memory, EINVAL readable memory, and
// nothing changes either way.
bool is_readable(std::uintptr_t at) noexcept {
  constexpr int kNoSuchHow = -1;
  return raw_syscall(SYS_rt_sigprocmask, kNoSuchHow, at, nullptr, kProbeBytes) != -EFAULT;
}

// Memory that our own call proves to be mapped: the page of this frame, and on the main thread everything from this
// frame up to where the program's stack began. No other mapping lies that close below the main stack's end: the kernel
// keeps a gap of 128 MiB for it to grow (MIN_GAP in arch/x86/mm/mmap.c).
bool is_on_our_stack(std::uintptr_t first, std::uintptr_t last) noexcept {
  constexpr std::uintptr_t kMainStackReach = 64u << 20;
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if ((first & ~kPageMask) == (frame & ~kPageMask) && (last & ~kPageMask) == (frame & ~kPageMask)) return true;
  const auto stack_end = reinterpret_cast<std::uintptr_t>(__libc_stack_end);
  return first >= frame && last < stack_end && stack_end - frame < kMainStackReach;
}

}  // namespace

bool copy_readable(void* to, const void* from, std::size_t size) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(from);
  const std::uintptr_t last = first + size - 1;
  if (first == 0 || last < first) return false;
  if (!is_on_our_stack(first, last)) {
    if (!is_readable(first)) return false;
    const bool probed_all = ((first + kProbeBytes - 1) & ~kPageMask) == (last & ~kPageMask);
    if (!probed_all && !is_readable(last - kProbeBytes + 1)) return false;
  }
  std::memcpy(to, from, size);
  return true;
}

NameKind SockaddrCopy::take(const sockaddr* name, socklen_t name_length, NameUse use) noexcept {
  if (name_length > sizeof bytes) {
    // sendmsg alone cuts a longer name off (a negative length it refuses); the others fail with EINVAL.
    if (use != NameUse::kSendMessage || name_length > 0x7fff'ffffu) return NameKind::kNone;
    name_length = sizeof bytes;
  }
  if (name_length < kMinIpv4Bytes || !copy_readable(bytes, name, name_length)) return NameKind::kNone;
  length = name_length;
  sa_family_t family;
  std::memcpy(&family, bytes, sizeof family);
  unspecified_family = family == AF_UNSPEC && use != NameUse::kConnect;
  if (family == AF_INET || unspecified_family) {
    sockaddr_in v4;
    std::memcpy(&v4, bytes, sizeof v4);
    address = canonical(make_ipv4(ntohl(v4.sin_addr.s_addr)));
    port = ntohs(v4.sin_port);
    return NameKind::kInternet;
  }
  if (family == AF_INET6 && name_length >= kMinIpv6Bytes) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, bytes, kMinIpv6Bytes);
    address = canonical(address_from_bytes(v6.sin6_addr.s6_addr));
    port = ntohs(v6.sin6_port);
    return NameKind::kInternet;
  }
  return NameKind::kOther;
}

}  // namespace egress
