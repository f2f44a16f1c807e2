// A token in a file, for --token-file: it must not stand on a command line, where every user of the machine reads it.
#pragma once

#include <cstddef>
#include <string>

#include "shared/base/error.h"

namespace egress {

inline constexpr std::size_t kMaxTokenBytes = 1024;

// The file's one line; kInvalidArgument if it is empty, longer than the limit or holds anything but visible ASCII.
Expected<std::string> load_token_file(const std::string& path);

}  // namespace egress
