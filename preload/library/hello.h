// A process introduces itself to the agent and maps what it is given: the session's arena and a ring of its own. Raw
// system calls and stack memory only; under 8 KiB of stack. Knows nothing of when a hello is due (session.h decides).
#pragma once

#include <cstddef>
#include <cstdint>

#include "preload/library/agent_socket.h"
#include "preload/library/text_line.h"
#include "shared/evaluate/connect_table.h"

namespace egress {

struct HelloResult {
  AgentOutcome outcome = AgentOutcome::kFailed;
  std::byte* session = nullptr;  // mapped, checked and the caller's to publish; nullptr unless kReplied
  NoPolicyCause no_policy = NoPolicyCause::kNone;  // why the agent holds no policy for this workload, if it does not
};

// `why`: what went wrong, or, without policy, what the agent has to say about it.
HelloResult say_hello(const char* socket_path, char** variables, std::int64_t deadline_ms, TextLine& why) noexcept;

// Maps an arena and a ring into one piece of memory (state.h) and checks that they are what they should be. nullptr,
// with the reason in `why`, if not. Does not take over the descriptors.
std::byte* map_session(int arena_fd, int ring_fd, TextLine& why) noexcept;

}  // namespace egress
