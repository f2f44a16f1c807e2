#include "preload/library/text_line.h"

#include <gtest/gtest.h>

#include <cstring>

namespace egress {
namespace {

std::string text_of(const char* address) {
  StackLine<64> line;
  return line.add_address(parse_address(address).value()).text();
}

TEST(TextLineTest, FormatsAddressesAsFormatAddressDoes) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "10.200.30.4"}) EXPECT_EQ(text_of(text), text);
  for (const char* text : {"::1", "2001:db8::1", "fe80::", "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "1::2:0:0:3",
                           "2001:0:0:1::1", "::5:0:0:8", "100::"}) {
    EXPECT_EQ(text_of(text), "[" + format_address(parse_address(text).value()) + "]");
  }
}

TEST(TextLineTest, FormatsNumbersToTheirLimits) {
  StackLine<64> line;
  line.add_number(0).add(" ").add_number(-42).add(" ").add_number(INT64_MAX).add(" ").add_number(INT64_MIN);
  EXPECT_STREQ(line.text(), "0 -42 9223372036854775807 -9223372036854775808");
}

TEST(TextLineTest, CutsWhatDoesNotFitAndSaysHowLongItWouldBe) {
  char memory[8];
  std::memset(memory, '#', sizeof memory);
  TextLine line(memory, 5);
  line.add("abcdefgh");
  EXPECT_STREQ(line.text(), "abcd");
  EXPECT_EQ(line.size(), 4u);
  EXPECT_EQ(line.wanted(), 8u);
  EXPECT_EQ(memory[5], '#');
  line.cut(2);
  EXPECT_STREQ(line.add("x").text(), "abx");
}

TEST(TextLineTest, ReplacesControlCharacters) {
  StackLine<16> line;
  EXPECT_STREQ(line.add_printable("a\nb\x1b[1m\x7f", 8).text(), "a?b?[1m?");
}

}  // namespace
}  // namespace egress
