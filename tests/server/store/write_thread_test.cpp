#include "server/store/sqlite/write_thread.h"

#include <gtest/gtest.h>

#include <latch>
#include <random>
#include <set>

#include "server/store/sqlite/migrations.h"
#include "server/store/sqlite/transaction.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

using Body = std::function<bool(Writer&)>;

constexpr WriteLimits kOneLongBatch{1'000, std::chrono::hours(1)};

// A write thread on a database of its own. gather() makes writes share one transaction: the first holds the thread
// until all others wait.
class WriteThreadTest : public ::testing::Test {
 protected:
  void open(WriteLimits limits) {
    auto connection = Connection::open(path_, Connection::Access::kReadWrite).value();
    ASSERT_TRUE(migrate(*connection));
    connection_ = connection.get();
    sqlite3_commit_hook(
        connection_->handle(),
        [](void* self) -> int {
          auto& test = *static_cast<WriteThreadTest*>(self);
          ++test.commits_;
          return test.refuse_commits_ ? 1 : 0;
        },
        this);
    writes_ = std::make_unique<WriteThread>(std::move(connection), limits);
  }

  // Runs the bodies in their order; element i is what body i's caller got.
  std::vector<Expected<void>> gather(const std::vector<Body>& bodies) {
    std::vector<Expected<void>> results(bodies.size());
    std::latch release(1);
    std::vector<std::thread> callers;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (i == 1) started_.wait();  // the first is taken
      callers.emplace_back([&, i] {
        results[i] = writes_->run([&, i](Writer& writer) {
          if (i == 0) {
            started_.count_down();
            release.wait();
          }
          return bodies[i](writer);
        });
      });
      while (i > 0 && writes_->waiting() < i) std::this_thread::yield();
    }
    release.count_down();
    for (std::thread& caller : callers) caller.join();
    return results;
  }

  // Names of the settings-like rows that are there: revisions' summaries, oldest first.
  std::vector<std::string> stored() {
    auto reader = Connection::open(path_, Connection::Access::kReadOnly).value();
    SqliteTransaction transaction(*reader);
    std::vector<std::string> names;
    auto page = transaction.revisions(std::nullopt, 100'000);
    for (auto row = page.rows.rbegin(); row != page.rows.rend(); ++row) names.push_back(row->summary);
    return names;
  }

  static Body put(std::string name) {
    return [name = std::move(name)](Writer& writer) {
      writer.bump_revision(1, "me", name);
      return true;
    };
  }
  static bool violate_a_key(Writer& writer) {
    AuditRow row;
    row.seq = 1;
    writer.append_audit_row(row);
    writer.append_audit_row(row);
    return true;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/egress.db";
  Connection* connection_ = nullptr;
  std::atomic<int> commits_ = 0;
  std::atomic<bool> refuse_commits_ = false;
  std::latch started_{1};
  std::unique_ptr<WriteThread> writes_;
};

using Names = std::vector<std::string>;

TEST_F(WriteThreadTest, WritesThatWaitShareOneCommitInTheOrderOfTheirArrival) {
  open(kOneLongBatch);
  std::vector<Body> bodies;
  Names expected;
  for (int i = 0; i < 20; ++i) bodies.push_back(put(expected.emplace_back(std::to_string(i))));
  for (const auto& result : gather(bodies)) EXPECT_TRUE(result);
  EXPECT_EQ(stored(), expected);
  EXPECT_EQ(commits_, 1);
}

TEST_F(WriteThreadTest, ATransactionTakesNoMoreThanItsLimit) {
  open({4, std::chrono::hours(1)});
  for (const auto& result : gather(std::vector<Body>(10, put("x")))) EXPECT_TRUE(result);
  EXPECT_EQ(stored().size(), 10U);
  EXPECT_EQ(commits_, 3);
}

TEST_F(WriteThreadTest, ATransactionThatWorkedLongEnoughTakesNoFurtherWrite) {
  open({1'000, std::chrono::microseconds(0)});
  for (const auto& result : gather(std::vector<Body>(3, put("x")))) EXPECT_TRUE(result);
  EXPECT_EQ(commits_, 3);
}

TEST_F(WriteThreadTest, WhatFailsUndoesItselfAlone) {
  open(kOneLongBatch);
  const auto results = gather({
      put("first"),
      [](Writer& writer) {
        writer.bump_revision(1, "me", "refused");
        return false;
      },
      violate_a_key,
      [](Writer& writer) {
        EXPECT_EQ(writer.revision(), 1U) << "a neighbour's failure does not stick, and its writes are gone";
        writer.bump_revision(1, "me", "dry run");
        writer.discard();
        return true;
      },
      put("last"),
  });
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1]) << "what a refusal says is its body's to tell";
  EXPECT_FALSE(results[2]);
  EXPECT_TRUE(results[3]);
  EXPECT_TRUE(results[4]);
  EXPECT_EQ(stored(), (Names{"first", "last"}));
  EXPECT_EQ(commits_, 1);
}

TEST_F(WriteThreadTest, AnExceptionReachesItsCallerAndNobodyElse) {
  open(kOneLongBatch);
  std::string caught;
  const auto results = gather({put("first"), put("second")});
  try {
    (void)writes_->run([](Writer& writer) -> bool {
      writer.bump_revision(1, "me", "thrown");
      throw std::runtime_error("out of luck");
    });
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  EXPECT_EQ(caught, "out of luck");
  EXPECT_TRUE(writes_->run(put("third")));
  EXPECT_EQ(stored(), (Names{"first", "second", "third"}));
}

TEST_F(WriteThreadTest, AnExceptionWithinABatchUndoesItselfAlone) {
  open(kOneLongBatch);
  std::atomic<int> thrown = 0;
  std::latch release(1);
  std::thread first([&] {
    EXPECT_TRUE(writes_->run([&](Writer& writer) {
      started_.count_down();
      release.wait();
      return put("first")(writer);
    }));
  });
  started_.wait();
  std::vector<std::thread> others;
  for (int i = 0; i < 10; ++i) {
    others.emplace_back([&, i] {
      try {
        EXPECT_TRUE(writes_->run([&](Writer& writer) {
          writer.bump_revision(1, "me", "x");
          if (i % 2 == 0) throw i;
          return true;
        }));
      } catch (const int value) {
        EXPECT_EQ(value, i);
        ++thrown;
      }
    });
  }
  while (writes_->waiting() < 10) std::this_thread::yield();
  release.count_down();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(thrown, 5);
  EXPECT_EQ(stored().size(), 6U);
  EXPECT_EQ(commits_, 1);
}

TEST_F(WriteThreadTest, ACommitThatFailsFailsEverybodyInIt) {
  open(kOneLongBatch);
  refuse_commits_ = true;
  const auto results = gather({
      put("first"),
      [](Writer& writer) { return writer.revision() != 1; },  // a refusal that speaks of the first
      put("last"),
  });
  for (const auto& result : results) EXPECT_FALSE(result);
  EXPECT_EQ(stored(), Names{});
  refuse_commits_ = false;
  EXPECT_TRUE(writes_->run(put("later")));
  EXPECT_EQ(stored(), Names{"later"});
}

TEST_F(WriteThreadTest, RefusalsAloneCommitNothing) {
  open(kOneLongBatch);
  const Body refuse = [](Writer& writer) {
    writer.bump_revision(1, "me", "x");
    return false;
  };
  for (const auto& result : gather(std::vector<Body>(3, refuse))) EXPECT_TRUE(result);
  EXPECT_EQ(commits_, 0);
  EXPECT_EQ(stored(), Names{});
}

TEST_F(WriteThreadTest, AFullDiskFailsTheTransactionItEndedAndNotTheNextOne) {
  open(kOneLongBatch);
  ASSERT_TRUE(connection_->execute("PRAGMA max_page_count=200"));
  const auto results = gather({
      put("lost with its neighbour"),
      [](Writer& writer) {
        writer.put_layer({"hash", "id", std::vector<std::byte>(std::size_t{4} << 20)}, 1);
        return true;
      },
      put("not begun yet"),
  });
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code, ErrorCode::kUnavailable);
  EXPECT_NE(results[0].error().message.find("full"), std::string::npos) << results[0].error().message;
  EXPECT_FALSE(results[1]);
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(stored(), Names{"not begun yet"});
}

TEST_F(WriteThreadTest, ADatabaseThatAnotherProgramLocksIsReportedToAllThatWait) {
  open(kOneLongBatch);
  auto other = Connection::open(path_, Connection::Access::kReadWrite).value();
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  sqlite3_busy_timeout(connection_->handle(), 0);
  const auto locked = writes_->run(put("x"));
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(other->execute("ROLLBACK"));
  EXPECT_TRUE(writes_->run(put("y")));
  EXPECT_EQ(stored(), Names{"y"});
}

TEST_F(WriteThreadTest, WhatWaitsWhenItStopsIsWrittenFirst) {
  open({1, std::chrono::hours(1)});
  for (const auto& result : gather(std::vector<Body>(5, put("x")))) EXPECT_TRUE(result);
  writes_.reset();
  EXPECT_EQ(stored().size(), 5U);
}

// Random writers, a third of which fail in some way, against what must be there in the end: each success exactly once,
// and each caller's own writes in its own order.
TEST_F(WriteThreadTest, ManyWritersAtOnceLoseAndLeakNothing) {
  open({});
  constexpr int kThreads = 16;
  constexpr int kWrites = 40;
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<std::vector<std::string>> succeeded(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(seed + static_cast<unsigned>(t));
      for (int n = 0; n < kWrites; ++n) {
        const std::string name = std::to_string(t) + ":" + std::to_string(n);
        const auto kind = random() % 6;
        try {
          const auto result = writes_->run([&](Writer& writer) {
            writer.bump_revision(1, "me", name);
            if (kind == 0) throw std::runtime_error("no");
            if (kind == 1) return violate_a_key(writer);
            if (kind == 2) writer.discard();
            return kind != 3;
          });
          EXPECT_EQ(result.has_value(), kind != 1);
          if (kind > 3) succeeded[static_cast<std::size_t>(t)].push_back(name);
        } catch (const std::runtime_error&) {
          EXPECT_EQ(kind, 0U);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::vector<std::string>> found(kThreads);
  for (const std::string& name : stored()) found[std::stoul(name)].push_back(name);
  EXPECT_EQ(found, succeeded);
}

}  // namespace
}  // namespace egress::server
