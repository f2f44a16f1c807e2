// Names that survive power loss: a file's own bytes are flushed by who writes them, its directory by these.
#pragma once

#include <string>

#include "shared/base/error.h"

namespace egress::server {

bool file_exists(const std::string& path);

// An empty file that is its owner's alone. kConflict if something of that name is there.
Expected<void> create_private_file(const std::string& path);

// Replaces `to`. The directory is not flushed.
Expected<void> rename_file(const std::string& from, const std::string& to);

// No error if it is not there.
Expected<void> remove_file(const std::string& path);

Expected<void> flush_directory(const std::string& path);

}  // namespace egress::server
