// Starting the agent from within a workload whose first network call found none (interception.md, rule 10). The program
// must not notice: no SIGCHLD, nothing for its wait calls, no descriptor, no atfork handler, no copy of its memory. At
// most once a process; other threads of it wait for the outcome. Signals stay blocked meanwhile, at most kStartWaitMs.
#pragma once

#include <cstdint>

#include "preload/library/state.h"
#include "preload/library/text_line.h"

namespace egress {

inline constexpr std::int64_t kStartWaitMs = 3000;
inline constexpr int kAgentIdleExitSeconds = 60;

// True once an agent says that it listens. False, with the reason in `why`, if it could not be started, did not get
// ready in time, or must not be started from here: a vfork child, or a thread with all signals blocked, which is what
// the inside of posix_spawn looks like.
bool start_agent(State& state, char** variables, TextLine& why) noexcept;

}  // namespace egress
