// Files that are whole or absent, whatever happens between: written to a temporary file beside the target, flushed,
// renamed over it, and the directory flushed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

Expected<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode);

// kNotFound if there is none, kTooLarge past `max_bytes`, kUnavailable if it cannot be read.
Expected<std::string> read_whole_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace egress
