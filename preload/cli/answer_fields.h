// Reading what a server or an agent answered, member by member, for a person: whatever is missing or of another type is
// nothing, and no text steers the terminal that it ends on.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace egress {

// The member as text, with blanks for control characters; empty if `object` is none or has no such text.
std::string text_in(const nlohmann::json& object, const char* key);

// The member as a number; 0 if there is none that is whole and not negative.
std::uint64_t number_in(const nlohmann::json& object, const char* key);

}  // namespace egress
