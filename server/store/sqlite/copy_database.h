// A copy of a database that others may be writing: one snapshot, without holding them up.
#pragma once

#include <string>

#include "shared/base/error.h"

namespace egress::server {

// What a copy holds, as read from the copy.
struct DatabaseSummary {
  std::uint64_t revision = 0;  // of the newest policy change
  std::uint64_t bytes = 0;
};

// Copies the database `from` into `to`, an existing empty file, checks the copy whole and flushes it. The copy is one
// file: it needs no log beside it. kCorrupt if the copy does not check, or is newer than this program.
Expected<DatabaseSummary> copy_database(const std::string& from, const std::string& to);

}  // namespace egress::server
