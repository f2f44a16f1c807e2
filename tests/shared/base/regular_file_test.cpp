#include "shared/base/regular_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace egress {
namespace {

class RegularFileTest : public ::testing::Test {
 protected:
  RegularFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "egress-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    directory_ = pattern;
  }
  ~RegularFileTest() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& text) {
    const std::string path = directory_ + "/file";
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }

  std::string directory_;
};

TEST_F(RegularFileTest, ReadsUpToTheLimit) {
  const std::string path = write("12345");
  EXPECT_EQ(read_regular_file(path, 5).value(), "12345");
  const auto larger = read_regular_file(path, 4);
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code, ErrorCode::kTooLarge);
  EXPECT_NE(larger.error().message.find(path), std::string::npos);
}

TEST_F(RegularFileTest, RefusesAModeThatIsTooOpen) {
  const std::string path = write("key");
  EXPECT_TRUE(read_regular_file(path, 100, 077));
  ::chmod(path.c_str(), 0640);
  EXPECT_EQ(read_regular_file(path, 100, 077).error().code, ErrorCode::kUntrusted);
  EXPECT_TRUE(read_regular_file(path, 100));
}

TEST_F(RegularFileTest, WaitsForNothing) {
  EXPECT_EQ(read_regular_file(directory_ + "/absent", 100).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_regular_file(directory_, 100).error().code, ErrorCode::kUnavailable);
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(read_regular_file(fifo, 100).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace egress
