#include "server/store/sqlite/connection.h"

#include <cassert>

namespace egress::server {
namespace {

// Another process may hold the file for a moment (a backup); longer than this is reported.
constexpr int kBusyTimeoutMs = 5000;

// A log that grew beyond this while a long read held it is cut once it was moved into the file.
constexpr int kLogBytesKept = 64 << 20;

// How often a running query looks at the clock, in instructions of SQLite's virtual machine: well under a millisecond.
constexpr int kDeadlineInstructions = 10'000;

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return ErrorCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_TOOBIG:
      return ErrorCode::kTooLarge;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Expected<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access) {
  sqlite3* handle = nullptr;
  const int flags = (access == Access::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (code != SQLITE_OK) {
    const std::string why = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    sqlite3_close(handle);
    return fail(code_of(code), "cannot open the database " + path + ": " + why);
  }
  std::unique_ptr<Connection> connection(new Connection(handle));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  std::string pragmas = "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384;";
  if (access == Access::kReadWrite) {
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=" + std::to_string(kLogBytesKept) + ";" + pragmas;
  }
  if (auto done = connection->execute(pragmas); !done) return tl::unexpected(done.error());
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Expected<void> Connection::execute(const std::string& sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &message);
  if (code == SQLITE_OK) return {};
  const std::string why = message ? message : sqlite3_errstr(code);
  sqlite3_free(message);
  return fail(code_of(code), "the database refused: " + why);
}

void Connection::set_failure(int code) {
  if (!failure_ && (code & 0xff) == SQLITE_INTERRUPT) {
    failure_ = Error{ErrorCode::kUnavailable, "the query took too long and was stopped: narrow it"};
  }
  if (!failure_) failure_ = Error{code_of(code), std::string("the database failed: ") + sqlite3_errmsg(handle_)};
}

void Connection::set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) {
  deadline_ = deadline;
  const auto is_past = [](void* self) -> int {
    return std::chrono::steady_clock::now() >= *static_cast<Connection*>(self)->deadline_ ? 1 : 0;
  };
  sqlite3_progress_handler(handle_, deadline ? kDeadlineInstructions : 0, deadline ? +is_past : nullptr, this);
}

sqlite3_stmt* Connection::prepare_cached(std::string_view sql) {
  const auto found = statements_.find(std::string(sql));
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) {
    set_failure(code);
    return nullptr;
  }
  statements_.emplace(sql, statement);
  return statement;
}

Query::Query(Connection& connection, std::string_view sql)
    : connection_(connection), statement_(connection.failure() ? nullptr : connection.prepare_cached(sql)) {
  assert(!statement_ || !sqlite3_stmt_busy(statement_));
}

Query::~Query() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::check(int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  connection_.set_failure(code);
}

Query& Query::bind(std::string_view text) {
  if (statement_) {
    // A null pointer would bind NULL: an empty view may have one.
    const char* data = text.empty() ? "" : text.data();
    check(sqlite3_bind_text64(statement_, next_parameter_++, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  return *this;
}

Query& Query::bind(std::int64_t value) {
  if (statement_) check(sqlite3_bind_int64(statement_, next_parameter_++, value));
  return *this;
}

Query& Query::bind(std::span<const std::byte> blob) {
  if (statement_) {
    const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
    check(sqlite3_bind_blob64(statement_, next_parameter_++, data, blob.size(), SQLITE_STATIC));
  }
  return *this;
}

Query& Query::bind_null() {
  if (statement_) check(sqlite3_bind_null(statement_, next_parameter_++));
  return *this;
}

bool Query::step() {
  if (!statement_ || connection_.failure()) return false;
  next_column_ = 0;
  const int code = sqlite3_step(statement_);
  check(code);
  return code == SQLITE_ROW;
}

std::string Query::text() {
  const int column = next_column_++;
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!data) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Query::integer() { return sqlite3_column_int64(statement_, next_column_++); }

std::optional<std::int64_t> Query::optional_integer() {
  if (sqlite3_column_type(statement_, next_column_) == SQLITE_NULL) {
    ++next_column_;
    return std::nullopt;
  }
  return integer();
}

std::optional<std::string> Query::optional_text() {
  if (sqlite3_column_type(statement_, next_column_) == SQLITE_NULL) {
    ++next_column_;
    return std::nullopt;
  }
  return text();
}

std::vector<std::byte> Query::blob() {
  const int column = next_column_++;
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data ? std::vector<std::byte>(data, data + size) : std::vector<std::byte>();
}

}  // namespace egress::server
