// The session in force for this process, and when a hello is due: at the first network call, after the agent that owns
// the arena is gone, and not again right after one that failed. No lock: every thread says its own first hello.
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/library/state.h"
#include "preload/library/text_line.h"
#include "shared/session/judge.h"

namespace egress {

inline constexpr std::int64_t kHelloBudgetMs = 5000;  // the agent's start, if it comes to that, included
inline constexpr std::int64_t kHelloRetryMs = 1000;   // at least; four times as long as the failed hello took

// The slow half of current_session(): says hello if one is due. Returns what is in force then, nullptr if nothing.
std::byte* renew_session(State& state, std::byte* session) noexcept;

// nullptr: there is no agent and never was one.
inline std::byte* current_session(State& state) noexcept {
  std::byte* session = state.session.load(std::memory_order_acquire);
  if (session != nullptr && !is_owner_dead(session)) [[likely]]
    return session;
  return renew_session(state, session);
}

// For a process that the agent does not know, such as a forked child: it introduces itself, and keeps its memory where
// the session is the same. False, with the reason in `why`, if the agent did not take it.
bool introduce_again(State& state, std::int64_t deadline_ms, TextLine& why) noexcept;

// Whether the process may go on for want of policy: EGRESS_ON_UNAVAILABLE=allow, and the reason is that none could be
// had.
bool is_unenforced(const State& state, NoPolicyCause cause) noexcept;

}  // namespace egress
