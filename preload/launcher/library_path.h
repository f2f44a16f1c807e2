// Where libegress.so is: EGRESS_LIBRARY, else beside the program (../lib/libegress.so).
#pragma once

#include <filesystem>

#include "preload/agent/settings.h"
#include "shared/base/error.h"

namespace egress {

// An absolute path of a readable file without ':' or blanks, which LD_PRELOAD could not carry.
Expected<std::filesystem::path> find_library(const Environment& environment,
                                             const std::filesystem::path& program_directory);

}  // namespace egress
