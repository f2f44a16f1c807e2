// The environment of a launched command: the caller's, with the library first in LD_PRELOAD and the session's
// variables.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace egress {

// `settings`: variables to set; an empty value leaves the caller's alone. What LD_PRELOAD already holds stays, after
// the library; the library is not listed twice. Tokens are
// left out: the agent knows the command's, and its descendants need none. "NAME=value" entries.
std::vector<std::string> make_child_environment(const std::vector<std::string>& environment, const std::string& library,
                                                const std::map<std::string, std::string>& settings);

}  // namespace egress
