// Leaving the terminal: a double fork, with the starting process waiting until the agent is ready, so that its exit
// status says whether there is an agent. Call before any thread exists.
#pragma once

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"

namespace egress {

// In the daemon: the descriptor to write one byte to once ready; stderr still is the caller's until detach_streams().
// The starting process never returns from this: it exits with 0 once ready, with 1 if the daemon ended before.
// Every descriptor above 2 but `keep_fd` (-1: none) is closed.
Expected<UniqueFd> become_daemon(int keep_fd);

// Standard input, output and error to /dev/null.
Expected<void> detach_streams();

// One byte, then closes.
void announce_ready(UniqueFd fd);

}  // namespace egress
