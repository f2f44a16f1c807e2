#include "preload/library/agent_start.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "preload/library/agent_program.h"
#include "preload/library/agent_socket.h"
#include "preload/library/clock.h"
#include "preload/library/environment.h"
#include "preload/library/process_identity.h"
#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

constexpr std::uint64_t kAllSignals = ~std::uint64_t{0};
constexpr int kSignals = 64;
constexpr int kReadyFd = 3;
constexpr std::size_t kChildStackBytes = 16 * 1024;

constexpr std::uint64_t signal_bit(int signal) noexcept { return std::uint64_t{1} << (signal - 1); }
// No program can block these: the kernel keeps the first two, libc the next.
constexpr std::uint64_t kNeverBlocked = signal_bit(SIGKILL) | signal_bit(SIGSTOP) | signal_bit(32) | signal_bit(33);

// What the children need, in memory of its own, which they share with us while this thread is suspended.
struct Launch {
  char path[kMaxProgramPathBytes];
  char scratch[kMaxProgramPathBytes + 512];
  alignas(16) unsigned char outer_stack[kChildStackBytes];
  alignas(16) unsigned char inner_stack[kChildStackBytes];
  int ready_fd;
  std::atomic<long> error;  // why the agent could not be executed
  const char* arguments[8];
  const char* variables[1];  // as many as there are, and NULL
};

std::uint64_t set_signal_mask(std::uint64_t mask) noexcept {
  std::uint64_t before = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof before);
  return before;
}

// ---- in the children: nothing here may write to memory outside the Launch and the stack

void close_from(unsigned first) noexcept {
  if (raw_syscall(SYS_close_range, first, UINT_MAX, 0) == 0) return;
  rlimit limit{};  // before Linux 5.9
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  for (unsigned fd = first; fd < std::min<rlim_t>(limit.rlim_cur, 1u << 20); ++fd) raw_close(fd);
}

long arrange_descriptors(int ready_fd) noexcept {
  // Out of the way first: the program may have had 0, 1 or 2 closed, and then the pipe has taken their places.
  const long pipe = raw_syscall(SYS_fcntl, ready_fd, F_DUPFD, kReadyFd + 1);
  if (pipe < 0) return pipe;
  const long null = raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
  if (null < 0) return null;
  for (int fd = 0; fd < kReadyFd; ++fd) {
    if (null == fd) continue;
    if (const long error = raw_syscall(SYS_dup3, null, fd, 0); error < 0) return error;
  }
  if (const long error = raw_syscall(SYS_dup3, pipe, kReadyFd, 0); error < 0) return error;
  close_from(kReadyFd + 1);
  return 0;
}

int become_agent(void* argument) {
  auto& launch = *static_cast<Launch*>(argument);
  const unsigned char defaults[32] = {};  // the kernel's sigaction: SIG_DFL, no flags, empty mask
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    raw_syscall(SYS_rt_sigaction, signal, defaults, nullptr, sizeof(std::uint64_t));
  }
  long error = arrange_descriptors(launch.ready_fd);
  if (error == 0) {
    set_signal_mask(0);
    error = raw_syscall(SYS_execve, launch.path, launch.arguments, launch.variables);
  }
  launch.error.store(error);
  raw_syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

int leave_session(void* argument) {
  auto& launch = *static_cast<Launch*>(argument);
  raw_syscall(SYS_setsid);
  if (clone(become_agent, launch.inner_stack + kChildStackBytes, CLONE_VM | CLONE_VFORK, argument) < 0) {
    launch.error.store(-errno);
  }
  raw_syscall(SYS_exit_group, 0);
  __builtin_unreachable();
}

// ---- in the program

void compose(Launch& launch, char** variables, int ready_fd) noexcept {
  launch.ready_fd = ready_fd;
  const char* arguments[] = {"egress", "agent", "--foreground", "--ready-fd", "3", "--idle-exit", "60", nullptr};
  static_assert(kReadyFd == 3 && kAgentIdleExitSeconds == 60);
  static_assert(sizeof arguments == sizeof launch.arguments);
  std::memcpy(launch.arguments, arguments, sizeof arguments);
  std::size_t count = 0;
  for (char** at = variables; *at != nullptr; ++at) {
    if (std::strncmp(*at, "LD_PRELOAD=", 11) != 0) launch.variables[count++] = *at;
  }
  launch.variables[count] = nullptr;
}

long spawn(Launch& launch) noexcept {
  // Exit signal 0: no SIGCHLD, and only a wait with __WCLONE or __WALL sees it. libc's clone has no atfork handlers.
  const int child = clone(leave_session, launch.outer_stack + kChildStackBytes, CLONE_VM | CLONE_VFORK, &launch);
  if (child < 0) return -errno;
  while (raw_syscall(SYS_wait4, child, nullptr, __WCLONE, nullptr) == -EINTR) {
  }
  return launch.error.load();
}

bool wait_until_ready(int fd, std::int64_t deadline_ms, TextLine& why) noexcept {
  why.clear();
  for (;;) {
    pollfd poll{fd, POLLIN, 0};
    const long polled = raw_poll(&poll, 1, deadline_ms - monotonic_ms());
    if (polled == 0) {
      why.add("the agent was started but was not ready within ").add_number(kStartWaitMs / 1000).add(" s");
      return false;
    }
    if (polled == -EINTR) continue;
    char byte;
    if (raw_syscall(SYS_read, fd, &byte, 1) == 1) return true;
    why.add("the agent was started but ended at once; run \"egress agent --foreground\" to see why");
    return false;
  }
}

bool launch_agent(char** variables, TextLine& why) noexcept {
  const std::int64_t deadline_ms = monotonic_ms() + kStartWaitMs;
  std::size_t count = 0;
  while (variables[count] != nullptr) ++count;
  const std::size_t bytes = sizeof(Launch) + count * sizeof(char*);
  const long mapped = raw_syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int ends[2];
  const long piped = raw_syscall(SYS_pipe2, ends, O_CLOEXEC);
  RawFd read_end(piped == 0 ? ends[0] : -1);
  RawFd write_end(piped == 0 ? ends[1] : -1);
  const bool has_memory = mapped >= 0 || mapped <= -4096;
  if (!has_memory || piped < 0) {
    if (has_memory) raw_syscall(SYS_munmap, mapped, bytes);
    const char* description = strerrordesc_np(static_cast<int>(has_memory ? -piped : -mapped));
    why.clear();
    why.add("cannot start the agent (").add(description != nullptr ? description : "unknown error").add(")");
    return false;
  }
  auto& launch = *reinterpret_cast<Launch*>(mapped);
  TextLine path(launch.path, sizeof launch.path);
  bool started = find_agent_program(variables, path, launch.scratch, why);
  if (started) {
    compose(launch, variables, write_end.get());
    const long error = spawn(launch);
    write_end = RawFd();  // so that the agent's end is the only one: reading ends when it does
    if (error < 0) {
      const char* description = strerrordesc_np(static_cast<int>(-error));
      why.clear();
      why.add("cannot start the agent ").add(launch.path).add(" (");
      why.add(description != nullptr ? description : "unknown error").add(")");
      started = false;
    }
  }
  raw_syscall(SYS_munmap, mapped, bytes);
  return started && wait_until_ready(read_end.get(), deadline_ms, why);
}

// State::agent_start: the process in the upper half (a forked child may try for itself), in the lower what came of it.
enum class Progress : std::uint32_t { kStarting = 1, kReady = 2, kFailed = 3 };

std::uint64_t pack(pid_t process, Progress progress) noexcept {
  return static_cast<std::uint64_t>(process) << 32 | static_cast<std::uint32_t>(progress);
}

std::uint32_t* futex_word(std::atomic<std::uint64_t>& state) noexcept {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  return reinterpret_cast<std::uint32_t*>(&state);
}

// Another thread of this process is at it.
bool wait_for_starter(State& state, pid_t process, TextLine& why) noexcept {
  const std::int64_t deadline_ms = monotonic_ms() + kStartWaitMs;
  for (;;) {
    const std::uint64_t seen = state.agent_start.load(std::memory_order_acquire);
    if (seen == pack(process, Progress::kReady)) return true;
    const std::int64_t left_ms = deadline_ms - monotonic_ms();
    if (seen != pack(process, Progress::kStarting) || left_ms <= 0) {
      why.clear();
      why.add("the agent could not be started");
      return false;
    }
    const timespec timeout{static_cast<time_t>(left_ms / 1000), static_cast<long>(left_ms % 1000) * 1'000'000};
    raw_syscall(SYS_futex, futex_word(state.agent_start), FUTEX_WAIT_PRIVATE, static_cast<std::uint32_t>(seen),
                &timeout, nullptr, 0);
  }
}

}  // namespace

bool start_agent(State& state, char** variables, TextLine& why) noexcept {
  if (is_borrowed_memory()) {
    why.clear();
    why.add("no agent runs, and it cannot be started from a vfork child");
    return false;
  }
  const std::uint64_t mask = set_signal_mask(kAllSignals);
  if ((mask | kNeverBlocked) == kAllSignals) {
    set_signal_mask(mask);
    why.clear();
    why.add("no agent runs, and it cannot be started while all signals are blocked");
    return false;
  }
  const pid_t process = state.pid.get();
  std::uint64_t seen = state.agent_start.load(std::memory_order_acquire);
  bool ours = false;
  while (seen >> 32 != static_cast<std::uint64_t>(process) && !ours) {
    ours = state.agent_start.compare_exchange_weak(seen, pack(process, Progress::kStarting), std::memory_order_acq_rel);
  }
  bool ready = false;
  if (ours) {
    ready = launch_agent(variables, why);
    state.agent_start.store(pack(process, ready ? Progress::kReady : Progress::kFailed), std::memory_order_release);
    raw_syscall(SYS_futex, futex_word(state.agent_start), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    set_signal_mask(mask);
    return ready;
  }
  set_signal_mask(mask);
  return wait_for_starter(state, process, why);
}

}  // namespace egress
