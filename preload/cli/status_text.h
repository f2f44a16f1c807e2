// The agent's status JSON as text for a person.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace egress {

// Fields that are missing or of another type show as empty: the agent may be another version than this program.
std::string render_status_text(const nlohmann::json& status, bool coloured);

}  // namespace egress
