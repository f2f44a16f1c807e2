#include "shared/policy/narrowing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace egress {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr UnixMillis kNowMs = 1'000'000;

DomainEntry entry(const char* text, std::optional<UnixMillis> expires_at_ms = std::nullopt) {
  return {parse_host_pattern(text).value().pattern, "", expires_at_ms};
}

TEST(NarrowingTest, ReportsWhatTheParentDoesNotCover) {
  const AllowList parent{{entry("api.stripe.com"), entry("**.bank.eu"), entry("10.0.0.0/8")}};
  EXPECT_THAT(
      find_uncovered(parent, AllowList{{entry("api.stripe.com"), entry("api.bank.eu"), entry("10.1.0.0/16")}}, kNowMs),
      IsEmpty());
  EXPECT_THAT(find_uncovered(parent, AllowList{{entry("api.foo.com"), entry("bank.eu"), entry("11.0.0.1")}}, kNowMs),
              ElementsAre("api.foo.com", "bank.eu", "11.0.0.1"));
}

TEST(NarrowingTest, AnAbsentListInheritsAndAnEmptyOneAllowsNothing) {
  const AllowList child{{entry("a.com")}};
  EXPECT_THAT(find_uncovered(std::nullopt, child, kNowMs), IsEmpty());
  EXPECT_THAT(find_uncovered(AllowList{{entry("a.com")}}, std::nullopt, kNowMs), IsEmpty());
  EXPECT_THAT(find_uncovered(AllowList{std::vector<DomainEntry>{}}, child, kNowMs), ElementsAre("a.com"));
  EXPECT_THAT(find_uncovered(AllowList{std::vector<DomainEntry>{}}, AllowList{std::vector<DomainEntry>{}}, kNowMs),
              IsEmpty());
}

TEST(NarrowingTest, ExpiredEntriesCoverNothingAndAskForNothing) {
  EXPECT_THAT(find_uncovered(AllowList{{entry("a.com", kNowMs)}}, AllowList{{entry("a.com")}}, kNowMs),
              ElementsAre("a.com"));
  EXPECT_THAT(find_uncovered(AllowList{{entry("a.com", kNowMs + 1)}}, AllowList{{entry("a.com")}}, kNowMs), IsEmpty());
  EXPECT_THAT(find_uncovered(AllowList{{entry("b.com")}}, AllowList{{entry("a.com", kNowMs)}}, kNowMs), IsEmpty());
}

// Every list of up to three patterns over a universe in which coverage is frequent, against each of its patterns.
TEST(NarrowingTest, AgreesWithComparingOneByOne) {
  const char* texts[] = {"e",      "x.e",      "y.x.e",   "z.y.x.e",  "*.e",        "**.e",      "*.x.e",
                         "**.x.e", "**.y.x.e", "*.y.x.e", "10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::/0"};
  AllowList universe = std::vector<DomainEntry>();
  for (const char* text : texts) universe->push_back(entry(text));
  std::size_t compared = 0;
  for (const DomainEntry& a : *universe) {
    for (const DomainEntry& b : *universe) {
      for (const DomainEntry& c : *universe) {
        const AllowList parent{{a, b, c}};
        std::vector<std::string> expected;
        for (const DomainEntry& one : *universe) {
          if (!is_covered(*parent, one.pattern, kNowMs)) expected.push_back(format_host_pattern(one.pattern));
        }
        ASSERT_EQ(find_uncovered(parent, universe, kNowMs), expected)
            << format_host_pattern(a.pattern) << " " << format_host_pattern(b.pattern) << " "
            << format_host_pattern(c.pattern);
        compared += universe->size();
      }
    }
  }
  EXPECT_EQ(compared, std::size(texts) * std::size(texts) * std::size(texts) * std::size(texts));
}

}  // namespace
}  // namespace egress
