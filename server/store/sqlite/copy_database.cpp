#include "server/store/sqlite/copy_database.h"

#include <filesystem>

#include "server/store/sqlite/integrity.h"
#include "server/store/sqlite/migrations.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

// One step copies all pages within one read transaction: writers go on, and the copy is of one moment.
constexpr int kAllPages = -1;

Expected<void> copy_pages(Connection& from, Connection& to) {
  sqlite3_backup* copy = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (copy == nullptr) {
    return fail(ErrorCode::kInternal, std::string("the copy cannot begin: ") + sqlite3_errmsg(to.handle()));
  }
  const int stepped = sqlite3_backup_step(copy, kAllPages);
  const int finished = sqlite3_backup_finish(copy);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return {};
  to.clear_failure();
  to.set_failure(finished != SQLITE_OK ? finished : stepped);
  return tl::unexpected(*to.failure());
}

Expected<std::uint64_t> check_copy(Connection& copy) {
  if (auto whole = check_integrity(copy); !whole) return tl::unexpected(whole.error());
  if (auto known = check_schema(copy); !known) return tl::unexpected(known.error());
  const std::uint64_t revision = SqliteTransaction(copy).revision();
  if (copy.failure()) return tl::unexpected(*copy.failure());
  return revision;
}

}  // namespace

Expected<DatabaseSummary> copy_database(const std::string& from, const std::string& to) {
  auto source = Connection::open(from, Connection::Access::kReadOnly);
  if (!source) return tl::unexpected(source.error());
  DatabaseSummary summary;
  {
    auto copy = Connection::open(to, Connection::Access::kReadWrite);
    if (!copy) return tl::unexpected(copy.error());
    if (auto done = copy_pages(**source, **copy); !done) return tl::unexpected(done.error());
    // The pages say that there is a log; without one the copy is a single file.
    if (auto done = (*copy)->execute("PRAGMA journal_mode=DELETE"); !done) return tl::unexpected(done.error());
    auto revision = check_copy(**copy);
    if (!revision) return tl::unexpected(revision.error());
    summary.revision = *revision;
  }
  std::error_code failed;
  summary.bytes = std::filesystem::file_size(to, failed);
  if (failed) return fail(ErrorCode::kUnavailable, "cannot examine " + to + ": " + failed.message());
  return summary;
}

}  // namespace egress::server
