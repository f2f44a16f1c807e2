#include "server/startup/restore.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "server/startup/backup.h"
#include "server/startup/server_database.h"
#include "server/store/sqlite/migrations.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

namespace fs = std::filesystem;

constexpr UnixMillis kNowMs = 1'700'000'000'000;

class RestoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<SqliteStore> open_store() { return SqliteStore::open(data_->database_path(), 1).value(); }

  static void put(Store& store, const std::string& summary) {
    const auto done = store.write(
        [&](Writer& writer) -> Expected<std::uint64_t> { return writer.bump_revision(kNowMs, "me", summary); });
    ASSERT_TRUE(done) << done.error().message;
  }
  static std::vector<std::string> summaries(Store& store) {
    std::vector<std::string> found;
    const auto rows = store.read([](Reader& reader) { return reader.revisions({}, 100'000).rows; }).value();
    for (const auto& row : rows) {
      found.insert(found.begin(), row.summary);
    }
    return found;
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(data_->path())) names.push_back(file.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory directory_;
  Expected<DataDirectory> data_ = DataDirectory::open(directory_.path() + "/data");
  std::string backup_ = directory_.path() + "/backup.db";
  FakeClock clock_{kNowMs};
};

using Names = std::vector<std::string>;

TEST_F(RestoreTest, ABackupOfABusyServerIsOneMomentOfIt) {
  auto store = open_store();
  put(*store, "0");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 1; !stop; ++i) put(*store, std::to_string(i));
  });
  while (store->read([](Reader& reader) { return reader.revision(); }).value() < 3) std::this_thread::yield();
  const auto summary = back_up(data_->path(), backup_);
  stop = true;
  writer.join();
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_GE(summary->revision, 3U);
  EXPECT_EQ(summary->bytes, fs::file_size(backup_));

  struct stat status {};
  ASSERT_EQ(::stat(backup_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  for (const char* suffix : {".partial", ".partial-wal", ".partial-shm", ".partial-journal", "-wal"}) {
    EXPECT_FALSE(fs::exists(backup_ + suffix)) << suffix;
  }
  auto copy = SqliteStore::open(backup_, 1).value();
  EXPECT_EQ(summaries(*copy).size(), summary->revision) << "the revisions are those of one moment";
}

TEST_F(RestoreTest, ABackupReplacesNothing) {
  put(*open_store(), "x");
  std::ofstream(backup_) << "mine";
  const auto refused = back_up(data_->path(), backup_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(fs::file_size(backup_), 4U);
  fs::remove(backup_);
  std::ofstream(backup_ + ".partial") << "mine";
  EXPECT_FALSE(back_up(data_->path(), backup_)) << "another backup may be writing it";
  EXPECT_EQ(fs::file_size(backup_ + ".partial"), 4U);
}

TEST_F(RestoreTest, ABackupOfWhatIsNotThereOrCannotBeWrittenLeavesNothing) {
  EXPECT_EQ(back_up(directory_.path(), backup_).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(backup_ + ".partial"));
  put(*open_store(), "x");
  EXPECT_EQ(back_up(data_->path(), directory_.path() + "/no/such/place").error().code, ErrorCode::kUnavailable);
}

TEST_F(RestoreTest, ADamagedDatabaseIsNotBackedUp) {
  {
    auto store = open_store();
    for (int i = 0; i < 3; ++i) put(*store, std::string(9000, 'x'));
  }
  {
    std::fstream file(data_->database_path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 8);
    file << std::string(4096 * 8, '\xa5');
  }
  EXPECT_EQ(back_up(data_->path(), backup_).error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(backup_));
  EXPECT_FALSE(fs::exists(backup_ + ".partial"));
}

TEST_F(RestoreTest, TheBackupComesBackUnderARevisionThatAgentsHaveNotSeen) {
  {
    auto store = open_store();
    put(*store, "kept");
  }
  ASSERT_TRUE(back_up(data_->path(), backup_));
  {
    auto store = open_store();
    put(*store, "lost");
  }
  clock_.advance_ms(90'000);
  const auto result = restore(backup_, *data_, 0, clock_);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->backup_revision, 1U);
  EXPECT_EQ(result->revision, 1'000'091U);
  EXPECT_TRUE(result->replaced);
  EXPECT_EQ(files(), (Names{"egress.db", "egress.db.before-restore", "lock"}));
  auto store = open_store();
  EXPECT_EQ(summaries(*store), (Names{"kept", "restored from a backup of revision 1"}));
  const auto audit = store->read([](Reader& reader) { return reader.last_audit_row(); }).value();
  EXPECT_EQ(audit->event, "database_restored");
  auto before = SqliteStore::open(data_->database_path() + ".before-restore", 1).value();
  EXPECT_EQ(summaries(*before), (Names{"kept", "lost"}));
}

TEST_F(RestoreTest, TheRevisionIsAboveTheReplacedOnesAndAboveWhatWasAskedFor) {
  put(*open_store(), "kept");
  ASSERT_TRUE(back_up(data_->path(), backup_));
  {
    auto store = open_store();
    const auto raised = store->write(
        [](Writer& writer) -> Expected<std::uint64_t> { return writer.raise_revision(5'000'000, 1, "me", "far"); });
    ASSERT_EQ(raised.value(), 5'000'000U);
  }
  EXPECT_EQ(restore(backup_, *data_, 0, clock_)->revision, 5'000'001U);
  fs::remove(data_->database_path() + ".before-restore");
  EXPECT_EQ(restore(backup_, *data_, 7'000'000, clock_)->revision, 7'000'000U);
}

TEST_F(RestoreTest, IntoAnEmptyDirectoryAndFromAnOlderSchema) {
  {
    auto old = Connection::open(backup_, Connection::Access::kReadWrite).value();
    ASSERT_TRUE(migrate(*old, 1));
    ASSERT_TRUE(old->execute("INSERT INTO revisions VALUES (1, 1, 'me', 'old')"));
  }
  const auto result = restore(backup_, *data_, 0, clock_);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->replaced);
  auto store = open_store();
  EXPECT_EQ(summaries(*store).front(), "old");
}

TEST_F(RestoreTest, WhatIsNoBackupChangesNothing) {
  put(*open_store(), "mine");
  const auto before = files();
  std::ofstream(directory_.path() + "/text") << "no database, but long enough to look like a file\n";
  { auto foreign = Connection::open(directory_.path() + "/foreign", Connection::Access::kReadWrite).value(); }
  for (const char* name : {"/text", "/foreign", "/missing"}) {
    EXPECT_FALSE(restore(directory_.path() + name, *data_, 0, clock_)) << name;
    EXPECT_EQ(files(), before) << name;
  }
  auto store = open_store();
  EXPECT_EQ(summaries(*store), Names{"mine"});
}

TEST_F(RestoreTest, TheDatabaseOfAnEarlierRestoreIsNotLost) {
  put(*open_store(), "x");
  ASSERT_TRUE(back_up(data_->path(), backup_));
  ASSERT_TRUE(restore(backup_, *data_, 0, clock_));
  const auto refused = restore(backup_, *data_, 0, clock_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("before-restore"), std::string::npos);
}

// Interrupted after any of its renames, a restore is ended by the next start, and no log meets a foreign database.
TEST_F(RestoreTest, AnInterruptedRestoreIsEndedByTheNextStart) {
  for (int renamed = 0; renamed <= 3; ++renamed) {
    SCOPED_TRACE(renamed);
    TemporaryDirectory other;
    auto data = DataDirectory::open(other.path());
    const std::string database = data->database_path();
    {
      auto restored = SqliteStore::open(database + ".restored", 1).value();
      put(*restored, "restored");
    }
    // The database of a killed server: with its log.
    const std::string live = other.path() + "/live.db";
    auto killed = SqliteStore::open(live, 1).value();
    put(*killed, "replaced");
    for (const char* suffix : {"", "-wal", "-shm"}) fs::copy_file(live + suffix, database + suffix);
    const std::string replaced = database + ".before-restore";
    const char* suffixes[] = {"-wal", "-shm", ""};
    for (int i = 0; i < renamed; ++i) fs::rename(database + suffixes[i], replaced + suffixes[i]);

    auto opened = ServerDatabase::open(*data, 1);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(summaries(opened->store()), Names{"restored"});
    EXPECT_FALSE(fs::exists(database + ".restored"));
    auto before = SqliteStore::open(replaced, 1).value();
    EXPECT_EQ(summaries(*before), Names{"replaced"});
  }
}

}  // namespace
}  // namespace egress::server
