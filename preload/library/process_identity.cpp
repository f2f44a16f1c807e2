#include "preload/library/process_identity.h"

#include <pthread.h>
#include <sys/mman.h>

#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

constexpr std::size_t kPageBytes = 4096;

pid_t ask_kernel() noexcept { return static_cast<pid_t>(raw_syscall(SYS_getpid)); }

}  // namespace

pid_t ProcessId::get() noexcept {
  std::atomic<pid_t>* page = page_.load(std::memory_order_acquire);
  if (page == nullptr) return ask_kernel();
  if (const pid_t known = page->load(std::memory_order_relaxed); known != 0) return known;
  const pid_t asked = ask_kernel();
  if (!is_borrowed_memory()) page->store(asked, std::memory_order_relaxed);
  return asked;
}

void ProcessId::remember() noexcept {
  if (page_.load(std::memory_order_acquire) != nullptr || is_borrowed_memory()) return;
  const long mapped =
      raw_syscall(SYS_mmap, nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped < 0 && mapped > -4096) return;
  if (raw_syscall(SYS_madvise, mapped, kPageBytes, MADV_WIPEONFORK) < 0) {
    raw_syscall(SYS_munmap, mapped, kPageBytes);
    return;
  }
  auto* page = reinterpret_cast<std::atomic<pid_t>*>(mapped);
  page->store(ask_kernel(), std::memory_order_relaxed);
  std::atomic<pid_t>* expected = nullptr;
  if (!page_.compare_exchange_strong(expected, page, std::memory_order_acq_rel)) {
    raw_syscall(SYS_munmap, mapped, kPageBytes);
  }
}

bool is_borrowed_memory() noexcept {
  // Uncontended and on our own stack: a few instructions, no system call, no lock that anyone could wait for.
  pthread_mutex_t probe = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
  if (pthread_mutex_lock(&probe) != 0) return true;
  const int libc_thread = probe.__data.__owner;
  pthread_mutex_unlock(&probe);
  return libc_thread != raw_syscall(SYS_gettid);
}

}  // namespace egress
