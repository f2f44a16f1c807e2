#include "preload/library/session.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "preload/library/agent_start.h"
#include "preload/library/clock.h"
#include "preload/library/environment.h"
#include "preload/library/hello.h"
#include "preload/library/notice.h"

namespace egress {
namespace {

constexpr std::size_t kWhyBytes = 1280;  // holds the agent's line for a person
constexpr std::size_t kPathBytes = 512;  // more than a socket's address holds

void read_settings(State& state, char** variables) noexcept {
  const char* unavailable = find_variable(variables, "EGRESS_ON_UNAVAILABLE");
  const bool allow = unavailable != nullptr && std::strcmp(unavailable, "allow") == 0;
  state.on_unavailable.store(allow ? OnUnavailable::kAllow : OnUnavailable::kDeny, std::memory_order_relaxed);
  const char* log = find_variable(variables, "EGRESS_LOG");
  state.log_denials.store(log != nullptr && std::strcmp(log, "deny") == 0, std::memory_order_relaxed);
}

// A hello, and the agent's start if there is none.
HelloResult reach_agent(State& state, char** variables, std::int64_t deadline_ms, TextLine& why) noexcept {
  char path[kPathBytes];
  format_agent_socket(variables, path, sizeof path);
  HelloResult result = say_hello(path, variables, deadline_ms, why);
  if (result.outcome != AgentOutcome::kAbsent) return result;
  StackLine<kPathBytes> start_why;
  if (!start_agent(state, variables, start_why)) {
    why.add("; ").add(start_why.text());
    return result;
  }
  return say_hello(path, variables, deadline_ms, why);
}

std::byte* renew_session_keeping_errno(State& state, std::byte* session) noexcept {
  const std::int64_t start_ms = monotonic_ms();
  std::int64_t due_ms = state.next_hello_ms.load(std::memory_order_acquire);
  // Another thread may have had more luck than the one that is not to ask again so soon.
  if (start_ms < due_ms) return state.session.load(std::memory_order_acquire);
  // With a policy that still holds, one thread asks and the others go on with it.
  if (session != nullptr && !state.next_hello_ms.compare_exchange_strong(due_ms, start_ms + kHelloRetryMs)) {
    return state.session.load(std::memory_order_acquire);
  }
  char** variables = environment();
  read_settings(state, variables);
  state.pid.remember();
  StackLine<kWhyBytes> why;
  const HelloResult result = reach_agent(state, variables, start_ms + kHelloBudgetMs, why);
  if (result.session == nullptr) {
    const std::int64_t now_ms = monotonic_ms();
    state.next_hello_ms.store(now_ms + std::max(kHelloRetryMs, 4 * (now_ms - start_ms)), std::memory_order_release);
    std::byte* in_force = state.session.load(std::memory_order_acquire);
    if (in_force == nullptr && !is_unenforced(state, NoPolicyCause::kUnavailable)) {
      show_notice(state, NoPolicyCause::kUnavailable, why);
    }
    return in_force;
  }
  if (result.no_policy != NoPolicyCause::kNone && !is_unenforced(state, result.no_policy)) {
    show_notice(state, result.no_policy, why);
  }
  return publish_session(state, session, result.session);
}

}  // namespace

__attribute__((noinline)) std::byte* renew_session(State& state, std::byte* session) noexcept {
  const int before = errno;  // what a successful call leaves there is the kernel's business, not ours
  std::byte* in_force = renew_session_keeping_errno(state, session);
  errno = before;
  return in_force;
}

bool introduce_again(State& state, std::int64_t deadline_ms, TextLine& why) noexcept {
  char** variables = environment();
  char path[kPathBytes];
  format_agent_socket(variables, path, sizeof path);
  const HelloResult result = say_hello(path, variables, deadline_ms, why);
  if (result.session == nullptr) return false;
  std::byte* held = state.session.load(std::memory_order_acquire);
  const auto id_of = [](const std::byte* session) noexcept {
    return reinterpret_cast<const ArenaHeader*>(session)->session_id.load(std::memory_order_acquire);
  };
  if (held != nullptr && !is_owner_dead(held) && id_of(held) == id_of(result.session)) {
    unmap_session(result.session);
  } else {
    publish_session(state, held, result.session);
  }
  return true;
}

bool is_unenforced(const State& state, NoPolicyCause cause) noexcept {
  return cause == NoPolicyCause::kUnavailable &&
         state.on_unavailable.load(std::memory_order_relaxed) == OnUnavailable::kAllow;
}

}  // namespace egress
