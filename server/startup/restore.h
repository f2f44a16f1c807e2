// Putting a backup in the place of a data directory's database. What was there stays beside it as
// "egress.db.before-restore".
//
// Agents refuse a revision below the one they have, and a backup's is: so the restored policy gets a new revision,
// above what agents may have seen. That is guessed: a million beyond the backup's and one for each second since, so
// that restoring the same backup twice rises, too; and above the replaced database's, where that can be read.
#pragma once

#include <cstdint>
#include <string>

#include "server/startup/data_directory.h"
#include "shared/base/clock.h"

namespace egress::server {

struct RestoreResult {
  std::uint64_t backup_revision = 0;
  std::uint64_t revision = 0;  // what the restored database has now
  bool replaced = false;       // there was a database before
};

// No server may use the directory. Nothing is replaced before the backup was copied and checked whole.
Expected<RestoreResult> restore(const std::string& file, const DataDirectory& directory, std::uint64_t at_least,
                                const Clock& clock);

// Moves a restored database into its place, if one is ready: the end of restore(), and of one that was interrupted.
Expected<void> finish_restore(const DataDirectory& directory);

}  // namespace egress::server
