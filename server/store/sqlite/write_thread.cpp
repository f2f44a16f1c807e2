#include "server/store/sqlite/write_thread.h"

#include <cassert>

#include "server/store/sqlite/transaction.h"

namespace egress::server {

WriteThread::WriteThread(std::unique_ptr<Connection> connection, WriteLimits limits)
    : connection_(std::move(connection)), limits_(limits), thread_([this] { loop(); }) {}

WriteThread::~WriteThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

Expected<void> WriteThread::run(const std::function<bool(Writer&)>& body) {
  assert(std::this_thread::get_id() != thread_.get_id());
  Write write(body);
  std::unique_lock lock(mutex_);
  waiting_.push_back(&write);
  arrived_.notify_one();
  write.finished_changed.wait(lock, [&] { return write.finished; });
  if (write.thrown) std::rethrow_exception(std::exchange(write.thrown, nullptr));
  return std::move(write.result);
}

std::size_t WriteThread::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void WriteThread::loop() {
  while (Write* first = take_or_stop()) run_batch(*first);
}

WriteThread::Write* WriteThread::take_or_stop() {
  {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
  }
  return take_waiting();
}

WriteThread::Write* WriteThread::take_waiting() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return nullptr;
  Write* write = waiting_.front();
  waiting_.pop_front();
  return write;
}

void WriteThread::run_batch(Write& first) {
  const auto end = std::chrono::steady_clock::now() + limits_.work;
  if (auto begun = connection_->execute("BEGIN IMMEDIATE"); !begun) return fail_waiting(first, begun.error());
  std::vector<Write*> batch;
  bool keeps_any = false;
  for (Write* write = &first; write != nullptr;) {
    batch.push_back(write);
    keeps_any |= run_one(*write);
    const bool full = batch.size() >= limits_.writes || std::chrono::steady_clock::now() >= end;
    write = !in_transaction() || full ? nullptr : take_waiting();
  }
  Expected<void> ended;
  if (!in_transaction()) {
    // SQLite, or end_savepoint(), gave up the whole transaction under the last write, which knows why.
    ended = batch.back()->result;
    if (ended) ended = fail(ErrorCode::kUnavailable, "the database gave up the transaction");
  } else {
    ended = connection_->execute(keeps_any ? "COMMIT" : "ROLLBACK");
    if (!ended && in_transaction()) (void)connection_->execute("ROLLBACK");  // `ended` is what counts
  }
  if (!ended) {
    for (Write* write : batch) write->result = tl::unexpected(ended.error());
  }
  finish(batch);
}

// Whether the write's savepoint holds something to commit.
bool WriteThread::run_one(Write& write) {
  connection_->clear_failure();
  if (auto done = connection_->execute("SAVEPOINT one_write"); !done) {
    write.result = tl::unexpected(done.error());
    return false;
  }
  bool keep = false;
  {
    SqliteTransaction transaction(*connection_);
    try {
      keep = write.body(transaction) && !transaction.discarded();
    } catch (...) {
      write.thrown = std::current_exception();
    }
  }
  if (connection_->failure()) {
    write.result = tl::unexpected(*connection_->failure());
    keep = false;
  }
  if (in_transaction() && !end_savepoint(keep)) {
    if (write.result) write.result = fail(ErrorCode::kInternal, "the database cannot end a savepoint");
    return false;
  }
  return keep;
}

// False if the transaction had to be given up, because what its savepoint did can neither be kept nor undone.
bool WriteThread::end_savepoint(bool keep) {
  const bool ended =
      (keep || connection_->execute("ROLLBACK TO one_write")) && connection_->execute("RELEASE one_write");
  if (!ended && in_transaction()) (void)connection_->execute("ROLLBACK");
  return ended;
}

// No transaction can begin: whoever waits now would only wait for the same refusal again.
void WriteThread::fail_waiting(Write& first, const Error& error) {
  std::vector<Write*> batch{&first};
  while (Write* write = take_waiting()) batch.push_back(write);
  for (Write* write : batch) write->result = tl::unexpected(error);
  finish(batch);
}

void WriteThread::finish(const std::vector<Write*>& batch) {
  const std::lock_guard lock(mutex_);
  for (Write* write : batch) {
    write->finished = true;
    write->finished_changed.notify_one();  // under the lock: the write is gone as soon as its caller has it
  }
}

}  // namespace egress::server
