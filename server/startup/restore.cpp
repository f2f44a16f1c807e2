#include "server/startup/restore.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/startup/durable_files.h"
#include "server/store/sqlite/copy_database.h"
#include "server/store/sqlite/sqlite_store.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::uint64_t kRevisionJump = 1'000'000;
constexpr UnixMillis kMillisASecond = 1'000;

// What SQLite keeps beside a database; a log must never meet another database than its own.
constexpr const char* kBeside[] = {"-wal", "-shm"};

std::string copied_path(const DataDirectory& directory) { return directory.database_path() + ".restoring"; }
std::string ready_path(const DataDirectory& directory) { return directory.database_path() + ".restored"; }
std::string replaced_path(const DataDirectory& directory) { return directory.database_path() + ".before-restore"; }

// 0 if there is none, or none that can be read: then it has no say.
std::uint64_t revision_in_use(const DataDirectory& directory) {
  if (!file_exists(directory.database_path())) return 0;
  const auto store = SqliteStore::open(directory.database_path(), 1);
  if (!store) return 0;
  return (*store)->read([](Reader& reader) { return reader.revision(); }).value_or(0);
}

std::uint64_t revision_beyond(const RevisionRecord& newest, UnixMillis now_ms) {
  const UnixMillis seconds = std::max<UnixMillis>(0, now_ms - newest.time_ms) / kMillisASecond;
  return newest.number + kRevisionJump + static_cast<std::uint64_t>(seconds);
}

Expected<RestoreResult> raise(const std::string& database, std::uint64_t at_least, UnixMillis now_ms) {
  auto store = SqliteStore::open(database, 1);  // brings an older schema up to date
  if (!store) return tl::unexpected(store.error());
  return (*store)->write([&](Writer& writer) -> Expected<RestoreResult> {
    RestoreResult result;
    result.backup_revision = writer.revision();
    const auto newest = writer.find_revision(result.backup_revision).value_or(RevisionRecord());
    result.revision =
        writer.raise_revision(std::max(at_least, revision_beyond(newest, now_ms)), now_ms, "server",
                              "restored from a backup of revision " + std::to_string(result.backup_revision));
    AuditEvent event;
    event.event = "database_restored";
    event.actor = "server";
    event.namespace_path = std::string(kRootNamespace);
    event.subject = "revision " + std::to_string(result.backup_revision);
    nlohmann::ordered_json detail;
    detail["backup_revision"] = result.backup_revision;
    detail["revision"] = result.revision;
    append_audit(writer, now_ms, event, detail);
    return result;
  });
}

Expected<void> remove_copy(const std::string& path) {
  if (auto done = remove_file(path); !done) return done;
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    if (auto done = remove_file(path + suffix); !done) return done;
  }
  return {};
}

}  // namespace

Expected<RestoreResult> restore(const std::string& file, const DataDirectory& directory, std::uint64_t at_least,
                                const Clock& clock) {
  if (auto done = finish_restore(directory); !done) return tl::unexpected(done.error());
  if (!file_exists(file)) return fail(ErrorCode::kNotFound, "there is no backup " + file);
  const std::string replaced = replaced_path(directory);
  if (file_exists(replaced)) {
    return fail(ErrorCode::kConflict, replaced + " is there from an earlier restore: remove it or move it away first");
  }
  const std::string copied = copied_path(directory);
  if (auto done = remove_copy(copied); !done) return tl::unexpected(done.error());
  if (auto done = create_private_file(copied); !done) return tl::unexpected(done.error());
  auto result = [&]() -> Expected<RestoreResult> {
    if (const auto summary = copy_database(file, copied); !summary) return tl::unexpected(summary.error());
    return raise(copied, std::max(at_least, revision_in_use(directory) + 1), clock.now_ms());
  }();
  if (!result) {
    if (auto done = remove_copy(copied); !done) return tl::unexpected(done.error());
    return result;
  }
  result->replaced = file_exists(directory.database_path());
  if (auto done = rename_file(copied, ready_path(directory)); !done) return tl::unexpected(done.error());
  if (auto done = flush_directory(directory.path()); !done) return tl::unexpected(done.error());
  if (auto done = finish_restore(directory); !done) return tl::unexpected(done.error());
  return result;
}

Expected<void> finish_restore(const DataDirectory& directory) {
  const std::string database = directory.database_path();
  const std::string ready = ready_path(directory);
  if (!file_exists(ready)) return {};
  // The logs go first: alone beside the restored database they would be taken for its own.
  for (const char* suffix : kBeside) {
    if (!file_exists(database + suffix)) continue;
    if (auto done = rename_file(database + suffix, replaced_path(directory) + suffix); !done) return done;
  }
  if (file_exists(database)) {
    if (auto done = rename_file(database, replaced_path(directory)); !done) return done;
  }
  if (auto done = flush_directory(directory.path()); !done) return done;
  if (auto done = rename_file(ready, database); !done) return done;
  return flush_directory(directory.path());
}

}  // namespace egress::server
