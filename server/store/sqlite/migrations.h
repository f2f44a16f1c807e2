// The schema as numbered steps, embedded in the program. A database remembers how many it took (user_version).
#pragma once

#include "server/store/sqlite/connection.h"

namespace egress::server {

int schema_version();

// kCorrupt if the database is newer than this program or none of its own.
Expected<void> check_schema(Connection& connection);

// Takes the steps that are missing up to schema `target`, each in a transaction of its own. kCorrupt if the database is
// newer than this program.
Expected<void> migrate(Connection& connection, int target = schema_version());

}  // namespace egress::server
