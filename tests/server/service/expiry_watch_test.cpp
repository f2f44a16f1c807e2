#include "server/service/expiry_watch.h"

#include <gmock/gmock.h>

#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;

class ExpiryWatchTest : public PolicyTestBase {
 protected:
  ExpiryWatchTest() {
    if (watch_.run_due(clock_.now_ms()) != std::size_t{0}) throw std::runtime_error("a new store has nothing expired");
  }

  // The first entry ends after a second, the others never.
  void given_ending(const std::string& path, const std::vector<std::string>& domains) {
    auto put = allowing(path, domains);
    put.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
    ASSERT_TRUE(namespaces_.put(put));
  }
  std::vector<std::string> broken_rows() {
    std::vector<std::string> rows;
    for (const AuditRow& row : audit_rows()) {
      if (row.event == "namespace_broken") rows.push_back(row.namespace_path + " " + row.detail);
    }
    return rows;
  }
  std::size_t run() { return watch_.run_due(clock_.now_ms()).value(); }

  ExpiryWatch watch_{*store_};
};

TEST_F(ExpiryWatchTest, AnEntryThatEndsBreaksDescendantsOnce) {
  given_ending("prod", {"a.example", "b.example"});
  given("prod/x", {"a.example", "b.example"});
  given("prod/x/y", {"a.example"});
  given("prod/z", {"b.example"});
  clock_.advance_ms(999);
  EXPECT_EQ(run(), 0U);
  clock_.advance_ms(1);
  EXPECT_EQ(run(), 2U);
  EXPECT_THAT(broken_rows(), ElementsAre(R"(prod/x/y {"ancestor":"prod","uncovered_domains":["a.example"]})",
                                         R"(prod/x {"ancestor":"prod","uncovered_domains":["a.example"]})"));
  EXPECT_FALSE(namespaces_.get("prod/x")->broken.empty());
  EXPECT_EQ(run(), 0U);
  clock_.advance_ms(60'000);
  EXPECT_EQ(run(), 0U);
  EXPECT_EQ(broken_rows().size(), 2U);
}

TEST_F(ExpiryWatchTest, WhatEndedWhileNobodyLookedIsNoticedOnce) {
  given_ending("prod", {"a.example"});
  given("prod/x", {"a.example"});
  clock_.advance_ms(86'400'000);
  EXPECT_EQ(ExpiryWatch(*store_).run_due(clock_.now_ms()), std::size_t{1}) << "a server that starts anew";
  EXPECT_EQ(ExpiryWatch(*store_).run_due(clock_.now_ms()), std::size_t{0});
  EXPECT_EQ(broken_rows().size(), 1U);
}

TEST_F(ExpiryWatchTest, NothingIsSaidOfWhatWasBrokenOrEndsAsWell) {
  given("prod", {"a.example", "b.example"});
  given("prod/broken", {"a.example", "b.example"});
  given("prod/covered", {"a.example"});
  given_ending("prod/ends", {"a.example"});
  auto put = allowing("prod", {"a.example", "*.example"});
  put.force = true;
  put.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
  ASSERT_TRUE(namespaces_.put(put));
  auto narrow = allowing("prod", {"a.example"});
  narrow.force = true;
  narrow.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
  ASSERT_TRUE(namespaces_.put(narrow)) << "b.example of prod/broken is uncovered from here on";
  clock_.advance_ms(1000);
  EXPECT_EQ(run(), 2U);
  EXPECT_THAT(broken_rows(), ElementsAre(R"(prod/covered {"ancestor":"prod","uncovered_domains":["a.example"]})",
                                         R"(prod/broken {"ancestor":"prod","uncovered_domains":["a.example"]})"));
}

TEST_F(ExpiryWatchTest, BlocksThatEndAndEntriesWithoutDescendantsBreakNobody) {
  auto put = allowing("prod", {"a.example"});
  put.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
  put.blocked = change_to(entries({"c.example"}));
  put.blocked.value->front().expires_at_ms = clock_.now_ms() + 1000;
  ASSERT_TRUE(namespaces_.put(put));
  clock_.advance_ms(1000);
  EXPECT_EQ(run(), 0U);
  EXPECT_EQ(rows_of("namespace_broken"), 0U);
}

TEST_F(ExpiryWatchTest, AClockThatGoesBackIsWaitedFor) {
  given_ending("prod", {"a.example"});
  given("prod/x", {"a.example"});
  clock_.advance_ms(1000);
  EXPECT_EQ(run(), 1U);
  clock_.advance_ms(-5000);
  EXPECT_EQ(run(), 0U);
  clock_.advance_ms(5000);
  EXPECT_EQ(run(), 0U) << "what was said is not said again";
}

}  // namespace
}  // namespace egress::server
