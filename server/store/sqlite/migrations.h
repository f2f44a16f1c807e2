// The schema as numbered steps, embedded in the program. A database remembers how many it took (user_version).
#pragma once

#include "server/store/sqlite/connection.h"

namespace egress::server {

// Takes the steps that are missing, each in a transaction of its own. kCorrupt if the database is newer than this
// program.
Expected<void> migrate(Connection& connection);

int schema_version();

}  // namespace egress::server
