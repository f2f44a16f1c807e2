// Reading a small file that somebody named: a configuration, a certificate, a key. Never waits: a FIFO, a device or a
// directory is refused.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "shared/base/error.h"

namespace egress {

// kNotFound, kTooLarge past `max_bytes`, kUntrusted if the mode has any bit of `forbidden_mode`, else kUnavailable; all
// name the path.
Expected<std::string> read_regular_file(const std::string& path, std::size_t max_bytes, mode_t forbidden_mode = 0);

}  // namespace egress
