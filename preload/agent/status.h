// The agent's state as `egress status --json` prints it. A caller sees its own user's sessions; root sees all.
#pragma once

#include <sys/types.h>

#include <string>

#include "preload/agent/process_table.h"
#include "preload/agent/session_table.h"
#include "preload/agent/settings.h"

namespace egress {

struct AgentFacts {
  UnixMillis started_at_ms = 0;
  std::string runtime_dir;
  std::string state_dir;
};

std::string render_status(const AgentFacts& facts, const SessionTable& sessions, const ProcessTable& processes,
                          uid_t viewer);

}  // namespace egress
