#include "server/startup/server_database.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

class ServerDatabaseTest : public ::testing::Test {
 protected:
  Expected<ServerDatabase> open() { return ServerDatabase::open(*data_, 1); }

  // Makes a database with rows in it; then it looks as if the server had been killed, if asked to.
  void fill(bool leave_mark) {
    {
      auto database = open();
      ASSERT_TRUE(database) << database.error().message;
      const auto done = database->store().write([](Writer& writer) -> Expected<bool> {
        for (int i = 0; i < 300; ++i) {
          writer.put_egress_entry({Action::kAllow,
                                   parse_host_pattern("host" + std::to_string(i) + ".example")->pattern,
                                   std::string(200, 'r'),
                                   false,
                                   {},
                                   "me",
                                   1});
          append_audit(writer, 1, {"policy_allow", "me", "/", "s", {}, {}, {}, {}}, nlohmann::ordered_json::object());
        }
        return true;
      });
      ASSERT_TRUE(done) << done.error().message;
    }
    if (leave_mark) std::ofstream(mark_).flush();
  }

  void overwrite(std::uintmax_t offset, const std::string& bytes) {
    std::fstream file(data_->database_path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
    ASSERT_TRUE(file.flush());
  }

  void expect_refused(const std::string& why) {
    const auto refused = open();
    ASSERT_FALSE(refused) << "a damaged database is served";
    EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(refused.error().message.find(why), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("egress-server restore --from FILE --data " + data_->path()),
              std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(std::filesystem::exists(mark_)) << "the next start checks again";
  }

  TemporaryDirectory directory_;
  Expected<DataDirectory> data_ = DataDirectory::open(directory_.path() + "/data");
  std::string mark_ = directory_.path() + "/data/running";
};

TEST_F(ServerDatabaseTest, IsMarkedWhileItIsOpen) {
  {
    auto database = open();
    ASSERT_TRUE(database) << database.error().message;
    EXPECT_TRUE(std::filesystem::exists(mark_));
  }
  EXPECT_FALSE(std::filesystem::exists(mark_));
}

TEST_F(ServerDatabaseTest, IsCheckedAfterAnUncleanEndAlone) {
  fill(false);
  EXPECT_FALSE(open()->was_checked());
  std::ofstream(mark_).flush();
  EXPECT_TRUE(open()->was_checked());
  EXPECT_FALSE(open()->was_checked()) << "it was closed in order since";
}

TEST_F(ServerDatabaseTest, DamagedPagesAreRefusedAfterACrash) {
  fill(true);
  const auto size = std::filesystem::file_size(data_->database_path());
  // The last pages: rows and indexes, not the schema, which would be missed at once.
  ASSERT_GT(size, 60U * 4096U);
  for (std::uintmax_t offset = size - 20 * 4096; offset < size; offset += 4096) {
    overwrite(offset, std::string(2048, '\xa5'));
  }
  expect_refused("the database is corrupt");
}

TEST_F(ServerDatabaseTest, AHeaderThatIsNoneIsRefusedAfterACrash) {
  fill(true);
  overwrite(0, std::string(100, '\xa5'));
  expect_refused("not a database");
}

TEST_F(ServerDatabaseTest, AChangedAuditRowIsRefusedAfterACrash) {
  fill(true);
  {
    auto connection = Connection::open(data_->database_path(), Connection::Access::kReadWrite).value();
    ASSERT_TRUE(
        connection->execute("DROP TRIGGER audit_is_append_only_update; UPDATE audit SET actor = 'you' WHERE seq = 7"));
  }
  expect_refused("audit row 7 does not have the content that was written");
}

TEST_F(ServerDatabaseTest, ARemovedAuditRowIsRefusedAfterACrash) {
  fill(true);
  {
    auto connection = Connection::open(data_->database_path(), Connection::Access::kReadWrite).value();
    ASSERT_TRUE(connection->execute("DROP TRIGGER audit_is_append_only_delete; DELETE FROM audit WHERE seq = 250"));
  }
  expect_refused("audit row 250 is missing");
}

TEST_F(ServerDatabaseTest, ARowThatRefersToNothingIsRefusedAfterACrash) {
  fill(true);
  {
    auto connection = Connection::open(data_->database_path(), Connection::Access::kReadWrite).value();
    ASSERT_TRUE(connection->execute(
        "PRAGMA foreign_keys=OFF; INSERT INTO namespace_domains VALUES ('ghost', 0, 0, 'a.example', '', NULL)"));
  }
  expect_refused("namespace_domains");
}

}  // namespace
}  // namespace egress::server
