// Makes sure that an agent runs: uses the one that listens, else starts `egress agent` and waits until it is ready.
#pragma once

#include <filesystem>

#include "preload/agent/settings.h"
#include "shared/base/error.h"

namespace egress {

// The running executable.
Expected<std::filesystem::path> find_program();

// `program`: the egress binary. kUnavailable says what the agent said. The agent gets no LD_PRELOAD and none of the
// caller's session variables.
Expected<void> ensure_agent(const AgentSettings& settings, const std::filesystem::path& program);

}  // namespace egress
