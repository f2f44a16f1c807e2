// Where the agent's program is: EGRESS_AGENT, or ../bin/egress beside the file that this library was loaded from, which
// /proc/self/maps tells without the loader's locks.
#pragma once

#include <cstddef>

#include "preload/library/text_line.h"

namespace egress {

inline constexpr std::size_t kMaxProgramPathBytes = 4096;  // PATH_MAX

// Fills `path`; false, with the reason in `why`, if there is no telling. Uses `scratch` while it reads.
bool find_agent_program(char** variables, TextLine& path, char (&scratch)[kMaxProgramPathBytes + 512],
                        TextLine& why) noexcept;

}  // namespace egress
