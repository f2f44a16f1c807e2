// Who is calling: the process id without a system call a time, and whether the caller merely borrows its memory from a
// suspended parent (vfork). Async-signal-safe.
#pragma once

#include <sys/types.h>

#include <atomic>

namespace egress {

// The id of the calling process, kept in a page that the kernel empties in a forked child. A vfork child is given its
// parent's: it is the parent's memory that it runs in. Before remember() and wherever the page could not be had, a
// system call a time.
class ProcessId {
 public:
  constexpr ProcessId() noexcept = default;

  pid_t get() noexcept;
  void remember() noexcept;  // maps the page, once

 private:
  std::atomic<std::atomic<pid_t>*> page_{nullptr};
};

// True in a vfork child, and in any other process made behind libc's back: libc's idea of the thread's id, which it
// writes into an error-checking mutex, is then not the kernel's. What such a process does to memory, it does to
// another.
bool is_borrowed_memory() noexcept;

}  // namespace egress
