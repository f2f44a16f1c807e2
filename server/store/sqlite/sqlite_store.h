// The embedded store: one SQLite file in WAL. One thread writes (write_thread.h), a few connections read; each read runs
// on one snapshot and never waits for the writer. Blocks: not for I/O threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/store/sqlite/connection.h"
#include "server/store/sqlite/write_thread.h"
#include "server/store/store.h"

namespace egress::server {

inline constexpr std::chrono::milliseconds kReadLimit{10'000};

class SqliteStore final : public Store {
 public:
  // Creates the file if it is missing and brings its schema up to date.
  static Expected<std::unique_ptr<SqliteStore>> open(const std::string& path, std::size_t readers,
                                                     std::chrono::milliseconds read_limit = kReadLimit);

 protected:
  Expected<void> run_read(const std::function<void(Reader&)>& body) override;
  Expected<void> run_write(const std::function<bool(Writer&)>& body) override;

 private:
  SqliteStore(std::unique_ptr<Connection> writer, std::vector<std::unique_ptr<Connection>> readers,
              std::chrono::milliseconds read_limit)
      : read_limit_(read_limit), writer_(std::move(writer)), idle_readers_(std::move(readers)) {}

  const std::chrono::milliseconds read_limit_;

  WriteThread writer_;  // outlives the readers: the last connection moves the log into the file, which takes a writer
  std::mutex readers_mutex_;
  std::condition_variable reader_returned_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
};

}  // namespace egress::server
