#include "server/service/auth_failures.h"

#include <gmock/gmock.h>

#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

FailedAttempt attempt(const std::string& peer, bool is_guess = true) {
  return {parse_address(peer).value(), "/api/audit", "unauthenticated", is_guess};
}

class AuthFailuresTest : public ServiceTest {
 protected:
  std::size_t rows() { return audit_rows().size(); }
  AuthFailures failures_{*store_, clock_};
};

TEST_F(AuthFailuresTest, APeerHasTenAttemptsAndGetsOneBackEverySixSeconds) {
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(failures_.note(attempt("192.0.2.1")).retry_after_s) << i;
  EXPECT_EQ(failures_.note(attempt("192.0.2.1")).retry_after_s, 6);
  EXPECT_FALSE(failures_.note(attempt("192.0.2.2")).retry_after_s) << "another peer";
  clock_.advance_ms(4'500);
  EXPECT_EQ(failures_.note(attempt("192.0.2.1")).retry_after_s, 2);
  clock_.advance_ms(1'500);
  EXPECT_FALSE(failures_.note(attempt("192.0.2.1")).retry_after_s);
  EXPECT_TRUE(failures_.note(attempt("192.0.2.1")).retry_after_s);
  clock_.advance_ms(3'600'000);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(failures_.note(attempt("192.0.2.1")).retry_after_s) << i;
  EXPECT_TRUE(failures_.note(attempt("192.0.2.1")).retry_after_s) << "no more than ten are saved up";
}

TEST_F(AuthFailuresTest, AnIpv6PeerIsItsWholeSlash64) {
  for (int i = 0; i < 10; ++i) failures_.note(attempt("2001:db8:1:2::" + std::to_string(i)));
  EXPECT_TRUE(failures_.note(attempt("2001:db8:1:2:ffff::1")).retry_after_s);
  EXPECT_FALSE(failures_.note(attempt("2001:db8:1:3::1")).retry_after_s);
}

TEST_F(AuthFailuresTest, WithoutASecretNothingWasTried) {
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(failures_.note(attempt("192.0.2.1", false)).retry_after_s);
}

TEST_F(AuthFailuresTest, AClockSetBackTakesNothing) {
  failures_.note(attempt("192.0.2.1"));
  clock_.advance_ms(-3'600'000);
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(failures_.note(attempt("192.0.2.1")).retry_after_s) << i;
}

TEST_F(AuthFailuresTest, OneRowAPeerAndMinuteWithTheCount) {
  EXPECT_TRUE(failures_.note(attempt("192.0.2.1")).row_due);
  ASSERT_TRUE(failures_.record());
  ASSERT_EQ(rows(), 1U);
  EXPECT_EQ(audit_rows().front().event, "authentication_failed");
  EXPECT_EQ(audit_rows().front().subject, "192.0.2.1");
  EXPECT_EQ(audit_rows().front().detail,
            R"({"peer":"192.0.2.1","path":"/api/audit","reason":"unauthenticated","count":1})");
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(failures_.note(attempt("192.0.2.1")).row_due);
  ASSERT_TRUE(failures_.record());
  EXPECT_EQ(rows(), 1U);
  clock_.advance_ms(60'000);
  EXPECT_TRUE(failures_.note(attempt("192.0.2.1")).row_due);
  ASSERT_TRUE(failures_.record());
  ASSERT_EQ(rows(), 2U);
  EXPECT_THAT(audit_rows().front().detail, HasSubstr("\"count\":101"));
}

TEST_F(AuthFailuresTest, WhatIsUnwrittenIsWrittenAtTheEnd) {
  failures_.note(attempt("192.0.2.1"));
  ASSERT_TRUE(failures_.record());
  failures_.note(attempt("192.0.2.1"));
  failures_.note(attempt("192.0.2.1"));
  ASSERT_TRUE(failures_.record_all());
  ASSERT_EQ(rows(), 2U);
  EXPECT_THAT(audit_rows().front().detail, HasSubstr("\"count\":2"));
  ASSERT_TRUE(failures_.record_all());
  EXPECT_EQ(rows(), 2U);
}

TEST_F(AuthFailuresTest, ManyPeersNeitherFloodTheAuditNorAreLost) {
  AuthFailureLimits limits;
  limits.max_peers = 8;
  limits.max_rows_per_interval = 4;
  AuthFailures failures(*store_, clock_, limits);
  for (int i = 0; i < 100; ++i) {
    if (failures.note(attempt("192.0.2." + std::to_string(i))).row_due) {
      ASSERT_TRUE(failures.record());
    }
  }
  EXPECT_LE(rows(), 8U) << "four peers, and at most as many rows for the forgotten";
  ASSERT_TRUE(failures.record_all());
  std::uint64_t counted = 0;
  for (const AuditRow& row : audit_rows()) {
    counted += std::stoull(row.detail.substr(row.detail.find("\"count\":") + 8));
  }
  EXPECT_EQ(counted, 100U);
}

}  // namespace
}  // namespace egress::server
