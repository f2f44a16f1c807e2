#include "server/startup/backup.h"

#include <filesystem>

#include "server/startup/durable_files.h"

namespace egress::server {
namespace {

// Removes an unfinished copy and what SQLite may have left beside it.
class Unfinished {
 public:
  explicit Unfinished(std::string path) : path_(std::move(path)) {}
  ~Unfinished() {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      (void)remove_file(path_ + suffix);  // what cannot go is in nobody's way but the next backup's, which says so
    }
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

 private:
  std::string path_;
};

}  // namespace

Expected<DatabaseSummary> back_up(const std::string& data_directory, const std::string& file) {
  const std::string database = data_directory + "/egress.db";
  if (!file_exists(database)) {
    return fail(ErrorCode::kNotFound, data_directory + " is no data directory of a server: it has no egress.db");
  }
  if (file_exists(file)) return fail(ErrorCode::kConflict, file + " exists already: a backup replaces nothing");
  const std::string partial = file + ".partial";
  if (auto made = create_private_file(partial); !made) {
    if (made.error().code != ErrorCode::kConflict) return tl::unexpected(made.error());
    return fail(ErrorCode::kConflict, partial +
                                          " exists already: another backup is writing it, or one was interrupted; "
                                          "in that case remove it");
  }
  const Unfinished unfinished(partial);  // nothing is left of it once it has its name
  auto summary = copy_database(database, partial);
  if (!summary) return tl::unexpected(summary.error());
  if (auto done = rename_file(partial, file); !done) return tl::unexpected(done.error());
  if (auto done = flush_directory(std::filesystem::path(file).parent_path().string()); !done) {
    return tl::unexpected(done.error());
  }
  return summary;
}

}  // namespace egress::server
