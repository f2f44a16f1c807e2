#include "shared/base/hex.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(HexTest, RoundTripsEveryByte) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::byte>(i));
  const std::string text = format_hex(bytes);
  EXPECT_EQ(text.substr(0, 8), "00010203");
  EXPECT_EQ(parse_hex(text), bytes);
}

TEST(HexTest, AcceptsUpperCase) { EXPECT_EQ(parse_hex("FF"), parse_hex("ff")); }

TEST(HexTest, RejectsOddLengthsAndForeignCharacters) {
  for (const char* text : {"f", "0g", "0x", " 0", "fff"}) EXPECT_FALSE(parse_hex(text)) << text;
}

}  // namespace
}  // namespace egress
