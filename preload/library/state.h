// Everything the library remembers of a process: one object, published by compare-and-swap, never locked. Zero is its
// initial value, so that it needs no constructor and is right whenever the first hook is called. Tests make their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "preload/library/process_identity.h"
#include "shared/session/arena.h"
#include "shared/session/ring.h"

namespace egress {

// A session's memory in one piece: the arena (read-only), then this process image's ring. Never unmapped once
// published.
inline constexpr std::size_t kSessionBytes = kArenaBytes + kRingBytes;
static_assert(kArenaBytes % 4096 == 0 && kRingBytes % 4096 == 0);

inline std::byte* ring_of(std::byte* session) noexcept { return session + kArenaBytes; }

// What a process does without policy.
enum class OnUnavailable : std::uint8_t { kDeny = 0, kAllow = 1 };

struct State {
  std::atomic<std::byte*> session{nullptr};
  ProcessId pid;
  // EGRESS_ON_UNAVAILABLE and EGRESS_LOG, as the first hello read them.
  std::atomic<OnUnavailable> on_unavailable{OnUnavailable::kDeny};
  std::atomic<bool> log_denials{false};
  std::atomic<std::int64_t> next_hello_ms{0};  // monotonic; no hello before it
  std::atomic<std::int64_t> next_log_ms{0};    // monotonic; no line of EGRESS_LOG before it
  std::atomic<bool> notice_shown{false};
  // The agent's start: the process that tries or tried (its id), and whether it is through. See agent_start.h.
  std::atomic<std::uint64_t> agent_start{0};
};

State& process_state() noexcept;

// Publishes `session` in place of `expected`. If another thread was faster its session stands, ours is unmapped, and
// what is returned is in force.
std::byte* publish_session(State& state, std::byte* expected, std::byte* session) noexcept;

void unmap_session(std::byte* session) noexcept;  // one that was never published

}  // namespace egress
