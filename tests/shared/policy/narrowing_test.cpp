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

}  // namespace
}  // namespace egress
