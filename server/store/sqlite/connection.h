// One SQLite connection and the statements run on it. Thin on purpose: SQL stays visible in the table files. Not
// thread-safe: a connection belongs to one transaction at a time.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/base/error.h"

namespace egress::server {

class Connection {
 public:
  enum class Access { kReadWrite, kReadOnly };
  // Opens `path` in WAL with synchronous=FULL and foreign keys on. kUnavailable if it cannot be opened.
  static Expected<std::unique_ptr<Connection>> open(const std::string& path, Access access);

  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs any number of statements without results.
  Expected<void> execute(const std::string& sql);

  // The first failure since clear_failure(); queries do nothing while there is one.
  const std::optional<Error>& failure() const { return failure_; }
  void clear_failure() { failure_.reset(); }
  void set_failure(int code);

  // Queries still running then fail with kUnavailable; nullopt: no limit.
  void set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline);

  sqlite3* handle() { return handle_; }

 private:
  friend class Query;
  explicit Connection(sqlite3* handle) : handle_(handle) {}
  sqlite3_stmt* prepare_cached(std::string_view sql);

  sqlite3* handle_;
  std::optional<Error> failure_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;  // by text; finalized with the connection
};

// A prepared statement in use: bind in order, step, read columns in order. Resets on destruction. One at a time for
// each SQL text of a connection. Texts and blobs bound must outlive the query.
class Query {
 public:
  Query(Connection& connection, std::string_view sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::string_view text);
  Query& bind(std::int64_t value);
  Query& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
  Query& bind(bool value) { return bind(static_cast<std::int64_t>(value)); }
  Query& bind(std::span<const std::byte> blob);
  Query& bind_null();
  template <typename T>
  Query& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  // True while there is a row; false at the end or on failure.
  bool step();
  // For statements without rows.
  void run() { step(); }

  std::string text();
  std::int64_t integer();
  std::uint64_t unsigned_integer() { return static_cast<std::uint64_t>(integer()); }
  std::optional<std::int64_t> optional_integer();
  std::optional<std::string> optional_text();
  std::vector<std::byte> blob();

 private:
  void check(int code);

  Connection& connection_;
  sqlite3_stmt* statement_;
  int next_parameter_ = 1;
  int next_column_ = 0;
};

}  // namespace egress::server
