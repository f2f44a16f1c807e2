// The database of a running server: opened, checked if the last server did not stop by itself, and marked as in use
// until it is closed in order. The mark is the file "running" in the data directory.
#pragma once

#include <memory>
#include <string>

#include "server/startup/data_directory.h"
#include "server/store/sqlite/sqlite_store.h"

namespace egress::server {

class ServerDatabase {
 public:
  // Ends a restore that was interrupted. After a crash or a power failure it reads everything before anybody is served;
  // kCorrupt, with the remedy, if something is damaged.
  static Expected<ServerDatabase> open(const DataDirectory& directory, std::size_t readers);

  ServerDatabase(ServerDatabase&&) = default;
  ServerDatabase& operator=(ServerDatabase&&) = delete;
  ~ServerDatabase();  // closes the store, then takes the mark away

  Store& store() { return *store_; }
  bool was_checked() const { return was_checked_; }

 private:
  ServerDatabase(std::string mark, std::unique_ptr<SqliteStore> store, bool was_checked)
      : mark_(std::move(mark)), store_(std::move(store)), was_checked_(was_checked) {}

  std::string mark_;
  std::unique_ptr<SqliteStore> store_;
  bool was_checked_ = false;
};

}  // namespace egress::server
