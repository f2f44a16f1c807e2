#include "shared/base/ascii.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(AsciiTest, ComparesLettersOfAsciiWithoutCase) {
  EXPECT_TRUE(equals_ignoring_case("LocalHost", "localhOST"));
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("ab", "a"));
  EXPECT_FALSE(equals_ignoring_case("\xc3\x84", "\xc3\xa4")) << "two spellings of a letter with an umlaut";
  EXPECT_FALSE(equals_ignoring_case("@", "`")) << "32 apart, but no letters";
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
}

TEST(AsciiTest, KnowsControlCharacters) {
  for (int c = 0; c < 256; ++c) {
    EXPECT_EQ(is_control(static_cast<char>(c)), c < 32 || c == 127) << c;
    EXPECT_EQ(is_visible_ascii(std::string(1, static_cast<char>(c))), c > 32 && c < 127) << c;
  }
  EXPECT_TRUE(has_control_characters(std::string_view("a\0b", 3)));
  EXPECT_FALSE(has_control_characters("a b\xc3\xa4"));
  EXPECT_TRUE(is_visible_ascii(""));
}

TEST(AsciiTest, BlanksWhatSteersATerminal) {
  EXPECT_EQ(without_controls("a\x1b[0m\r\nb\x7f \xc3\xa4"), "a [0m  b  \xc3\xa4");
}

}  // namespace
}  // namespace egress
