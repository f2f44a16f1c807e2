// Whether a database file is whole: SQLite's own check of every page and index, and every foreign key.
#pragma once

#include "server/store/sqlite/connection.h"

namespace egress::server {

// kCorrupt names the first things found. Reads the whole file.
Expected<void> check_integrity(Connection& connection);

}  // namespace egress::server
