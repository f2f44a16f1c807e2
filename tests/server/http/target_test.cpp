#include "server/http/target.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(ParseTargetTest, DecodesTheQuery) {
  const auto target = parse_target("/api/x?name=prod%2Fpayments&q=a+b%20c&flag&&empty=&u=%C3%A9");
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->path, "/api/x");
  EXPECT_EQ(target->query, (std::vector<NameValue>{
                               {"name", "prod/payments"}, {"q", "a b c"}, {"flag", ""}, {"empty", ""}, {"u", "é"}}));
}

TEST(ParseTargetTest, RefusesWhatIsNotAPathOrNotUtf8) {
  for (const char* text : {"", "x", "*", "http://localhost/x", "/?a=%", "/?a=%4", "/?a=%zz", "/?%ff=1", "/?a=%c0%af",
                           "/?a=%ed%a0%80", "/?a=%f4%90%80%80", "/?a=%e2%82"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(ParseTargetTest, BoundsTheParameters) {
  std::string text = "/?";
  for (std::size_t i = 0; i < kMaxQueryParameters; ++i) text += "a=1&";
  EXPECT_TRUE(parse_target(text));
  EXPECT_FALSE(parse_target(text + "a=1"));
}

// Former bugs

// A search for it found everything: the store took it for the end of the text.
TEST(ParseTargetTest, RefusesNul) {
  for (const char* text : {"/?q=%00", "/?q=a%00b", "/?a%00=b"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_NE(target.error().message.find("NUL"), std::string::npos);
  }
}

}  // namespace
}  // namespace egress::server
