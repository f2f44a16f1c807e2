#include "server/startup/server_database.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "server/service/audit_check.h"
#include "server/startup/durable_files.h"
#include "server/startup/restore.h"
#include "server/store/sqlite/integrity.h"

namespace egress::server {
namespace {

constexpr const char* kMark = "/running";
constexpr std::uint64_t kAuditRowsChecked = 100'000;

// Whether the mark was there already: somebody did not take it away.
Expected<bool> set_mark(const DataDirectory& directory) {
  const std::string path = directory.path() + kMark;
  const UniqueFd mark(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!mark && errno == EEXIST) return true;
  if (!mark) return fail(ErrorCode::kUnavailable, "cannot create " + path + ": " + std::strerror(errno));
  if (auto done = flush_directory(directory.path()); !done) return tl::unexpected(done.error());
  return false;
}

Expected<void> check_file(const std::string& path) {
  auto connection = Connection::open(path, Connection::Access::kReadWrite);  // recovers the log
  if (!connection) return tl::unexpected(connection.error());
  return check_integrity(**connection);
}

Error with_remedy(const Error& error, const std::string& directory) {
  if (error.code != ErrorCode::kCorrupt) return error;
  return {error.code, error.message +
                          "; the server does not start on it: restore a backup with \"egress-server "
                          "restore --from FILE --data " +
                          directory + "\""};
}

}  // namespace

Expected<ServerDatabase> ServerDatabase::open(const DataDirectory& directory, std::size_t readers) {
  if (auto done = finish_restore(directory); !done) return tl::unexpected(done.error());
  const auto begin = std::chrono::steady_clock::now();
  const auto was_marked = set_mark(directory);
  if (!was_marked) return tl::unexpected(was_marked.error());
  const auto refuse_if_corrupt = [&](const Error& error) {
    return tl::unexpected(with_remedy(error, directory.path()));  // the mark stays
  };
  if (*was_marked) {
    spdlog::warn("the last server did not stop by itself: checking {}", directory.database_path());
    if (auto whole = check_file(directory.database_path()); !whole) return refuse_if_corrupt(whole.error());
  }
  auto store = SqliteStore::open(directory.database_path(), readers);
  if (!store) return refuse_if_corrupt(store.error());
  if (*was_marked) {
    const auto rows = check_audit_tail(**store, kAuditRowsChecked);
    if (!rows) return refuse_if_corrupt(rows.error());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    spdlog::info("the database is whole: every page, index and reference and the newest {} audit rows, in {:.0f} ms",
                 *rows, took.count());
  }
  return ServerDatabase(directory.path() + kMark, *std::move(store), *was_marked);
}

ServerDatabase::~ServerDatabase() {
  if (!store_) return;  // moved from
  store_.reset();
  if (::unlink(mark_.c_str()) != 0) spdlog::warn("cannot remove {}: {}", mark_, std::strerror(errno));
}

}  // namespace egress::server
