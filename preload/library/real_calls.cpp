#include "preload/library/real_calls.h"

#include <dlfcn.h>
#include <errno.h>

#include <atomic>

#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

using Connect = int (*)(int, const sockaddr*, socklen_t);
using SendTo = ssize_t (*)(int, const void*, size_t, int, const sockaddr*, socklen_t);
using SendMsg = ssize_t (*)(int, const msghdr*, int);
using GetAddrInfo = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

std::atomic<Connect> real_connect{nullptr};
std::atomic<Connect> real_dunder_connect{nullptr};
std::atomic<SendTo> real_sendto{nullptr};
std::atomic<SendMsg> real_sendmsg{nullptr};
std::atomic<GetAddrInfo> real_getaddrinfo{nullptr};

// Only for symbols that exist in every glibc we run on: a failing dlsym allocates.
template <typename Function>
Function find_next(std::atomic<Function>& into, const char* symbol) noexcept {
  const auto found = reinterpret_cast<Function>(dlsym(RTLD_NEXT, symbol));
  into.store(found, std::memory_order_release);
  return found;
}

__attribute__((constructor)) void find_real_calls() {
  find_next(real_connect, "connect");
  find_next(real_dunder_connect, "__connect");
  find_next(real_sendto, "sendto");
  find_next(real_sendmsg, "sendmsg");
  find_next(real_getaddrinfo, "getaddrinfo");
}

long to_libc_result(long result) noexcept {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace

int call_real_connect(int fd, const sockaddr* address, socklen_t length) {
  if (const Connect real = real_connect.load(std::memory_order_acquire)) return real(fd, address, length);
  return static_cast<int>(to_libc_result(raw_syscall(SYS_connect, fd, address, length)));
}

int call_real_dunder_connect(int fd, const sockaddr* address, socklen_t length) {
  if (const Connect real = real_dunder_connect.load(std::memory_order_acquire)) return real(fd, address, length);
  return call_real_connect(fd, address, length);
}

ssize_t call_real_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length) {
  if (const SendTo real = real_sendto.load(std::memory_order_acquire)) {
    return real(fd, data, size, flags, address, length);
  }
  return to_libc_result(raw_syscall(SYS_sendto, fd, data, size, flags, address, length));
}

ssize_t call_real_sendmsg(int fd, const msghdr* message, int flags) {
  if (const SendMsg real = real_sendmsg.load(std::memory_order_acquire)) return real(fd, message, flags);
  return to_libc_result(raw_syscall(SYS_sendmsg, fd, message, flags));
}

int call_real_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  GetAddrInfo real = real_getaddrinfo.load(std::memory_order_acquire);
  if (real == nullptr) real = find_next(real_getaddrinfo, "getaddrinfo");
  return real(node, service, hints, result);
}

}  // namespace egress
