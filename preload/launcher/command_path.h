// Which file a command name means, and what a shell's exit status for its absence is.
#pragma once

#include <filesystem>
#include <string>

#include "preload/agent/settings.h"
#include "shared/base/error.h"

namespace egress {

inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;

struct CommandFailure {
  int exit_status = kExitNotFound;
  std::string message;
};

// As execvp: a name with a slash is a path, others are searched for in PATH.
tl::expected<std::filesystem::path, CommandFailure> find_command(const std::string& command,
                                                                 const Environment& environment);

}  // namespace egress
