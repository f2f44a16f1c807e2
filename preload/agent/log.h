// The agent's log: always <state>/agent.log, rotating and bounded; also stderr where somebody reads it.
#pragma once

#include "preload/agent/settings.h"
#include "shared/base/error.h"

namespace egress {

Expected<void> open_log(const AgentSettings& settings, bool to_stderr);

}  // namespace egress
