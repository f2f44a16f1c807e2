#include "preload/cli/token_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace egress {
namespace {

using ::testing::HasSubstr;

class TokenFileTest : public ::testing::Test {
 protected:
  TokenFileTest() { std::filesystem::create_directory(directory_); }
  ~TokenFileTest() override { std::filesystem::remove_all(directory_); }

  std::string file_with(const std::string& content) {
    const std::string path = directory_ + "/token";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return path;
  }

  const std::string directory_ = ::testing::TempDir() + "/egress_token_file_" + std::to_string(::getpid());
};

TEST_F(TokenFileTest, HoldsOneLine) {
  for (const char* end : {"", "\n", "\r\n"}) {
    EXPECT_EQ(load_token_file(file_with("egress_0123" + std::string(end))).value_or("refused"), "egress_0123");
  }
  const std::string longest(kMaxTokenBytes, 'a');
  EXPECT_EQ(load_token_file(file_with(longest + "\r\n")).value_or("refused"), longest);
}

TEST_F(TokenFileTest, IsRefusedOtherwise) {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("two words"), std::string("two\nlines\n"), std::string("a\n\n"),
        std::string("a\tb"), std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(kMaxTokenBytes + 1, 'a'),
        std::string(1 << 20, 'a')}) {
    const std::string path = file_with(content);
    const auto refused = load_token_file(path);
    ASSERT_FALSE(refused) << content.substr(0, 20);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr(path));
  }
  for (const std::string& path : {directory_ + "/absent", directory_}) {
    const auto refused = load_token_file(path);
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr(path));
  }
}

TEST_F(TokenFileTest, MayBeALinkOrAPipe) {
  const std::string link = directory_ + "/link";
  std::filesystem::create_symlink(file_with("egress_1\n"), link);
  EXPECT_EQ(load_token_file(link).value_or("refused"), "egress_1");
  const std::string pipe = directory_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "egress_2\n"; });
  EXPECT_EQ(load_token_file(pipe).value_or("refused"), "egress_2");
  writer.join();
}

}  // namespace
}  // namespace egress
