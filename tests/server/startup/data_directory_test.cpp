#include "server/startup/data_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

class DataDirectoryTest : public ::testing::Test {
 protected:
  std::string read(const std::string& name) {
    std::ifstream file(path_ + "/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/nested/data";
};

TEST_F(DataDirectoryTest, IsMadePrivate) {
  ASSERT_TRUE(DataDirectory::open(path_));
  EXPECT_EQ(mode_of(path_), 0700U);
}

TEST_F(DataDirectoryTest, HoldsOneServerAtATime) {
  auto first = DataDirectory::open(path_);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = DataDirectory::open(path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  { const DataDirectory gone = *std::move(first); }
  EXPECT_TRUE(DataDirectory::open(path_));
}

TEST_F(DataDirectoryTest, MakesTheKeyOnceAndPrivate) {
  const auto directory = DataDirectory::open(path_);
  ASSERT_TRUE(directory);
  const auto made = directory->load_signing_key();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode_of(path_ + "/signing.key"), 0600U);
  const auto loaded = directory->load_signing_key();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->public_key(), made->public_key());
  EXPECT_FALSE(std::ifstream(path_ + "/signing.key.new").good());
}

TEST_F(DataDirectoryTest, SurvivesACrashBetweenWritingAndNamingTheKey) {
  const auto directory = DataDirectory::open(path_);
  ASSERT_TRUE(directory);
  std::ofstream(path_ + "/signing.key.new") << "half a k";
  EXPECT_TRUE(directory->load_signing_key());
}

TEST_F(DataDirectoryTest, RefusesAKeyThatOthersMayReadOrThatIsNone) {
  const auto directory = DataDirectory::open(path_);
  ASSERT_TRUE(directory);
  ASSERT_TRUE(directory->load_signing_key());
  ASSERT_EQ(::chmod((path_ + "/signing.key").c_str(), 0644), 0);
  EXPECT_EQ(directory->load_signing_key().error().code, ErrorCode::kUntrusted);
  ASSERT_EQ(::chmod((path_ + "/signing.key").c_str(), 0600), 0);
  std::ofstream(path_ + "/signing.key") << "not a key";
  EXPECT_EQ(directory->load_signing_key().error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read("signing.key"), "not a key") << "never replaced";
}

TEST_F(DataDirectoryTest, WritesAndRemovesTheAddress) {
  const auto directory = DataDirectory::open(path_);
  ASSERT_TRUE(directory);
  ASSERT_TRUE(directory->write_address("127.0.0.1:1"));
  ASSERT_TRUE(directory->write_address("127.0.0.1:2"));
  EXPECT_EQ(read("address"), "127.0.0.1:2\n");
  directory->remove_address();
  EXPECT_FALSE(std::ifstream(path_ + "/address").good());
}

}  // namespace
}  // namespace egress::server
