// A connection judged against a mapped arena: bindings looked up, candidates assembled, evaluated, and the whole done
// again if the policy changed meanwhile. The enforcement core: the library calls it from signal handlers and vfork
// children. No lock, no allocation, no system call; under 4 KiB of stack.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/evaluate/evaluate.h"

namespace egress {

struct Judgement {
  Decision decision;
  std::uint64_t generation = 0;  // 0: nothing published, or no consistent read in bounded time; denied
};

// `arena` is a whole mapping of kArenaBytes.
Judgement judge(const std::byte* arena, const ConnectionFacts& facts) noexcept;

// True once the agent that owns the arena is gone: time to say hello again.
bool is_owner_dead(const std::byte* arena) noexcept;

// With the owner dead: whether the last policy still holds at `now_ms`.
bool is_still_valid(const std::byte* arena, UnixMillis now_ms) noexcept;

}  // namespace egress
