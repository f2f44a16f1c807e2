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

}  // namespace
}  // namespace egress
