#include "server/api/preconditions.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

using std::chrono::milliseconds;

TEST(NamesTagTest, FindsTheTagAmongListsWeakFormsAndTheStar) {
  EXPECT_TRUE(names_tag({"\"abc\""}, "abc"));
  EXPECT_TRUE(names_tag({"\"x\" , W/\"abc\""}, "abc"));
  EXPECT_TRUE(names_tag({"\"x\"", "\"abc\""}, "abc"));
  EXPECT_TRUE(names_tag({"*"}, "abc"));
  EXPECT_FALSE(names_tag({}, "abc"));
  EXPECT_FALSE(names_tag({"abc"}, "abc"));
  EXPECT_FALSE(names_tag({"\"abcd\"", ""}, "abc"));
}

TEST(ParseWaitTest, ReadsSecondsUpToTheMaximum) {
  EXPECT_EQ(parse_wait({}), milliseconds(0));
  EXPECT_EQ(parse_wait({"wait=10"}), milliseconds(10'000));
  EXPECT_EQ(parse_wait({"respond-async, Wait = \"5\"; x=1"}), milliseconds(5'000));
  EXPECT_EQ(parse_wait({"wait=3, wait=9"}), milliseconds(3'000));
  EXPECT_EQ(parse_wait({"wait=4000000000"}), kMaxWait);
  EXPECT_EQ(parse_wait({"return=minimal"}), milliseconds(0));
}

TEST(ParseWaitTest, RefusesWhatIsNotANumber) {
  for (const char* prefer : {"wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "wait=99999999999"}) {
    const auto wait = parse_wait({prefer});
    ASSERT_FALSE(wait) << prefer;
    EXPECT_EQ(wait.error().code, "invalid_header");
  }
}

}  // namespace
}  // namespace egress::server
