// The one thread that writes, with group commit: writes that wait while another is flushed to disk share the next
// transaction, each in a savepoint of its own, and are answered together after its COMMIT. A transaction costs one
// flush however many writes it holds.
//
// What a caller may rely on: writes run in the order of their arrival; nobody is answered before the commit that holds
// what the answer speaks of, refusals included, because a refusal may be about a neighbour's write; a body that fails,
// refuses, discards or throws undoes its own write alone. If the commit fails, or SQLite gives up the transaction under
// a body (disk full, I/O error), every write of that transaction fails. Those that had not run yet get the next one.
//
// The queue needs no bound of its own: each caller waits, so it is never longer than there are calling threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/store/sqlite/connection.h"
#include "server/store/store.h"

namespace egress::server {

// When a transaction takes no further write.
struct WriteLimits {
  std::size_t writes = 64;
  std::chrono::microseconds work{2'000};  // since it began
};

class WriteThread {
 public:
  explicit WriteThread(std::unique_ptr<Connection> connection, WriteLimits limits = {});
  ~WriteThread();  // after what waits was written
  WriteThread(const WriteThread&) = delete;
  WriteThread& operator=(const WriteThread&) = delete;

  // Store::run_write. Rethrows what the body throws. Never from within a body.
  Expected<void> run(const std::function<bool(Writer&)>& body);

  std::size_t waiting() const;  // writes that no transaction has taken yet

 private:
  struct Write {
    explicit Write(const std::function<bool(Writer&)>& run) : body(run) {}
    const std::function<bool(Writer&)>& body;
    Expected<void> result;
    std::exception_ptr thrown;
    bool finished = false;
    std::condition_variable finished_changed;
  };

  void loop();
  Write* take_or_stop();
  Write* take_waiting();
  void run_batch(Write& first);
  bool run_one(Write& write);
  bool end_savepoint(bool keep);
  void fail_waiting(Write& first, const Error& error);
  void finish(const std::vector<Write*>& batch);
  bool in_transaction() const { return sqlite3_get_autocommit(connection_->handle()) == 0; }

  const std::unique_ptr<Connection> connection_;
  const WriteLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Write*> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace egress::server
