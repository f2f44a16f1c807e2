#include "server/store/sqlite/sqlite_store.h"

#include "server/store/sqlite/migrations.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

// Ends a read's transaction on every way out, exceptions (out of memory) included.
class Rollback {
 public:
  explicit Rollback(Connection& connection) : connection_(connection) {}
  ~Rollback() {
    if (sqlite3_get_autocommit(connection_.handle()) == 0) (void)connection_.execute("ROLLBACK");
  }
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;

 private:
  Connection& connection_;
};

}  // namespace

Expected<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path, std::size_t readers,
                                                         std::chrono::milliseconds read_limit) {
  auto writer = Connection::open(path, Connection::Access::kReadWrite);
  if (!writer) return tl::unexpected(writer.error());
  if (auto done = migrate(**writer); !done) return tl::unexpected(done.error());
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::size_t i = 0; i < readers; ++i) {
    auto reader = Connection::open(path, Connection::Access::kReadOnly);
    if (!reader) return tl::unexpected(reader.error());
    connections.push_back(*std::move(reader));
  }
  return std::unique_ptr<SqliteStore>(new SqliteStore(*std::move(writer), std::move(connections), read_limit));
}

Expected<void> SqliteStore::run_read(const std::function<void(Reader&)>& body) {
  std::unique_ptr<Connection> connection;
  {
    std::unique_lock lock(readers_mutex_);
    reader_returned_.wait(lock, [&] { return !idle_readers_.empty(); });
    connection = std::move(idle_readers_.back());
    idle_readers_.pop_back();
  }
  struct Return {
    SqliteStore& store;
    std::unique_ptr<Connection>& connection;
    ~Return() {
      const std::lock_guard lock(store.readers_mutex_);
      store.idle_readers_.push_back(std::move(connection));
      store.reader_returned_.notify_one();
    }
  } give_back{*this, connection};

  connection->clear_failure();
  connection->set_deadline(std::chrono::steady_clock::now() + read_limit_);
  if (auto begun = connection->execute("BEGIN"); !begun) return begun;
  const Rollback rollback(*connection);  // a read has nothing to commit
  SqliteTransaction transaction(*connection);
  body(transaction);
  connection->set_deadline(std::nullopt);  // not for the rollback
  if (connection->failure()) return tl::unexpected(*connection->failure());
  return {};
}

Expected<void> SqliteStore::run_write(const std::function<bool(Writer&)>& body) { return writer_.run(body); }

}  // namespace egress::server
