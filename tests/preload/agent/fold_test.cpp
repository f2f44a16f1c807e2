#include "preload/agent/fold.h"

#include <gtest/gtest.h>

#include <vector>

namespace egress {
namespace {

DecisionRecord make_record(const std::string& name, std::uint64_t count = 1, UnixMillis seen_ms = 0) {
  DecisionRecord record;
  record.name = name;
  record.layer = "egress";
  record.rule = "unmatched";
  record.port = 443;
  record.exe = "/usr/bin/curl";
  record.count = count;
  record.first_seen_ms = record.last_seen_ms = seen_ms;
  return record;
}

class EventFoldTest : public ::testing::Test {
 protected:
  std::uint64_t emitted_count() const {
    std::uint64_t total = 0;
    for (const auto& record : emitted) total += record.count;
    return total;
  }
  std::vector<DecisionRecord> emitted;
  EventFold fold{[this](DecisionRecord record) { emitted.push_back(std::move(record)); }};
};

TEST_F(EventFoldTest, EmitsTheFirstAtOnceWithAnIdOfItsOwn) {
  fold.add(make_record("a.example"), 0);
  fold.add(make_record("b.example"), 0);
  ASSERT_EQ(emitted.size(), 2u);
  EXPECT_EQ(emitted[0].id.size(), 32u);
  EXPECT_NE(emitted[0].id, emitted[1].id);
  EXPECT_EQ(fold.pending(), 0u);
}

TEST_F(EventFoldTest, FoldsRepeatsIntoOneRecordAWindow) {
  for (int i = 0; i < 100; ++i) fold.add(make_record("a.example", 1, 1000 + i), 1000 + i);
  EXPECT_EQ(emitted.size(), 1u);
  EXPECT_EQ(fold.pending(), 99u);
  fold.close_windows(1000 + kFoldWindowMs - 1);
  EXPECT_EQ(emitted.size(), 1u);
  fold.close_windows(1000 + kFoldWindowMs);
  ASSERT_EQ(emitted.size(), 2u);
  EXPECT_EQ(emitted[1].count, 99u);
  EXPECT_EQ(emitted[1].first_seen_ms, 1001);
  EXPECT_EQ(emitted[1].last_seen_ms, 1099);
  EXPECT_NE(emitted[0].id, emitted[1].id);
  EXPECT_EQ(fold.pending(), 0u);
}

TEST_F(EventFoldTest, ForgetsAKeyThatWasSilentForAWindow) {
  fold.add(make_record("a.example"), 0);
  fold.close_windows(kFoldWindowMs);
  EXPECT_EQ(fold.key_count(), 0u);
  fold.add(make_record("a.example"), kFoldWindowMs + 1);
  EXPECT_EQ(emitted.size(), 2u);
}

TEST_F(EventFoldTest, KeepsVerdictsPortsAndProgramsApart) {
  auto denied = make_record("a.example");
  auto allowed = denied;
  allowed.verdict = Verdict::kAllow;
  auto other_port = denied;
  other_port.port = 80;
  auto other_program = denied;
  other_program.exe = "/usr/bin/wget";
  for (const auto& record : {denied, allowed, other_port, other_program}) fold.add(record, 0);
  EXPECT_EQ(emitted.size(), 4u);
}

TEST_F(EventFoldTest, BoundsItsKeysAndLosesNoCount) {
  const std::size_t total = kMaxFoldKeys + 500;
  for (std::size_t i = 0; i < total; ++i) fold.add(make_record("n" + std::to_string(i) + ".example"), 0);
  EXPECT_LE(fold.key_count(), kMaxFoldKeys + 1);
  fold.flush();
  EXPECT_EQ(emitted_count(), total);
  EXPECT_EQ(emitted.back().layer, kOtherBucket);
  EXPECT_TRUE(emitted.back().name.empty());
}

TEST_F(EventFoldTest, FlushEmitsWhatIsOpen) {
  fold.add(make_record("a.example", 3), 0);
  fold.add(make_record("a.example", 4), 0);
  fold.flush();
  EXPECT_EQ(emitted_count(), 7u);
  EXPECT_EQ(fold.key_count(), 0u);
}

TEST_F(EventFoldTest, AClockThatJumpsBackEndsTheWindow) {
  fold.add(make_record("a.example"), 1'000'000);
  fold.add(make_record("a.example"), 1'000'000);
  fold.close_windows(5);
  EXPECT_EQ(emitted_count(), 2u);
}

}  // namespace
}  // namespace egress
