// System calls without libc: no errno, no cancellation point, no symbol that a program, another preload or we ourselves
// could have replaced. Safe in signal handlers, vfork children and before libc has run its constructors. Results are
// the kernel's: -errno on failure.
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace egress {

namespace raw {

template <typename T>
long word(T value) noexcept {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else if constexpr (std::same_as<T, std::nullptr_t>) {
    return 0;
  } else {
    static_assert(std::integral<T> || std::is_enum_v<T>);
    return static_cast<long>(value);
  }
}

#if defined(__x86_64__)
inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "libegress.so knows the system call convention of x86-64 and AArch64 only"
#endif

}  // namespace raw

template <typename... Args>
long raw_syscall(long number, Args... args) noexcept {
  static_assert(sizeof...(Args) <= 6);
  const long words[6] = {raw::word(args)...};
  return raw::call6(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

inline void raw_close(long fd) noexcept { raw_syscall(SYS_close, fd); }

// Milliseconds may be <= 0: looks once. The caller deals with -EINTR, because only it knows its deadline.
inline long raw_poll(pollfd* fds, unsigned count, std::int64_t timeout_ms) noexcept {
  timespec timeout{};
  if (timeout_ms > 0) {
    timeout.tv_sec = static_cast<time_t>(timeout_ms / 1000);
    timeout.tv_nsec = static_cast<long>(timeout_ms % 1000) * 1'000'000;
  }
  return raw_syscall(SYS_ppoll, fds, count, &timeout, nullptr, 0);
}

}  // namespace egress
