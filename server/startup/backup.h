// Backing up a data directory's database while a server uses it. The signing key is not in a backup: whoever has it
// speaks to every agent in the server's name.
#pragma once

#include <string>

#include "server/store/sqlite/copy_database.h"

namespace egress::server {

// Writes `file`, which must not exist, whole or not at all: it is "FILE.partial" until it was checked and flushed.
Expected<DatabaseSummary> back_up(const std::string& data_directory, const std::string& file);

}  // namespace egress::server
