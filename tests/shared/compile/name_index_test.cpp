#include "shared/compile/name_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace egress {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NameIndexTest, FindsEveryKindOfPattern) {
  NameIndex index;
  ASSERT_TRUE(index.add(HostPatternKind::kExact, "x.a.com", {0, 1}));
  ASSERT_TRUE(index.add(HostPatternKind::kOneLabel, "a.com", {0, 2}));
  ASSERT_TRUE(index.add(HostPatternKind::kAnyLabels, "a.com", {1, 3}));
  ASSERT_TRUE(index.add(HostPatternKind::kAnyLabels, "com", {1, 4}));
  ASSERT_TRUE(index.add(HostPatternKind::kRegex, "^x", {2, 5}));
  ASSERT_TRUE(index.build());
  EXPECT_THAT(index.find("x.a.com").value(),
              ElementsAre(RuleRef{0, 1}, RuleRef{0, 2}, RuleRef{1, 3}, RuleRef{1, 4}, RuleRef{2, 5}));
  EXPECT_THAT(index.find("y.x.a.com").value(), ElementsAre(RuleRef{1, 3}, RuleRef{1, 4}));
  EXPECT_THAT(index.find("a.com").value(), ElementsAre(RuleRef{1, 4}));
  EXPECT_THAT(index.find("com").value(), IsEmpty());
  EXPECT_THAT(index.find("xa.org").value(), ElementsAre(RuleRef{2, 5}));
}

TEST(NameIndexTest, RepeatsAreGivenOnce) {
  NameIndex index;
  ASSERT_TRUE(index.add(HostPatternKind::kExact, "a.com", {0, 1}));
  ASSERT_TRUE(index.add(HostPatternKind::kExact, "a.com", {0, 1}));
  ASSERT_TRUE(index.build());
  EXPECT_THAT(index.find("a.com").value(), ElementsAre(RuleRef{0, 1}));
}

TEST(NameIndexTest, RefusesBadRegexes) {
  NameIndex index;
  const auto added = index.add(HostPatternKind::kRegex, "(", {0, 0});
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("regular expression"), std::string::npos);
}

TEST(NameIndexTest, RegexesThatOutgrowTheBudgetAreRefusedAtBuild) {
  NameIndex index;
  // Bounded repetition of a counted class: megabytes of program from a few bytes of text.
  for (std::uint32_t i = 0; i < 4000; ++i) {
    ASSERT_TRUE(index.add(HostPatternKind::kRegex, "^((a|b){1,500}c" + std::to_string(i) + "){1,2}$", {0, i}));
  }
  const auto built = index.build();
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().code, ErrorCode::kTooLarge);
}

// However little memory RE2 is given: the right answer, or none. "No match" for want of memory would open what is
// blocked.
TEST(NameIndexTest, WithoutMemoryThereIsNoAnswerRatherThanAWrongOne) {
  constexpr std::uint32_t kRegexes = 200;
  int refused = 0;
  int unjudged = 0;
  int judged = 0;
  for (std::int64_t bytes = 4096; bytes < (16 << 20); bytes += bytes / 16) {
    NameIndex index(bytes);
    for (std::uint32_t i = 0; i < kRegexes; ++i) {
      ASSERT_TRUE(index.add(HostPatternKind::kRegex, "^n" + std::to_string(i) + "x[a-z]{8}\\.com$", {0, i}));
    }
    if (!index.build()) {
      ++refused;
    } else if (const auto found = index.find("n77xabcdefgh.com"); !found) {
      EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
      ++unjudged;
    } else {
      EXPECT_THAT(*found, ElementsAre(RuleRef{0, 77})) << bytes;
      ++judged;
    }
  }
  // Whether a budget suffices to compile but not to match is RE2's business; it says so either way.
  EXPECT_GT(refused + unjudged, 0);
  EXPECT_GT(judged, 0);
}

}  // namespace
}  // namespace egress
