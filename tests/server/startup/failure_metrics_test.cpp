#include "server/startup/failure_metrics.h"

#include <gmock/gmock.h>

#include "server/api/token_gate.h"
#include "server/service/tokens.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

// Through the gate, so that the reasons are those that it gives.
class FailureMetricsTest : public ServiceTest {
 protected:
  FailureMetricsTest() { count_failures(failures_, metrics_); }

  void ask(const std::string& authorization, const std::string& session = "") {
    Route route;
    route.pattern = "/x";
    route.access = {Access::Audience::kRole, Role::kViewer};
    Credentials credentials;
    credentials.authorization = authorization;
    credentials.session = session;
    credentials.peer = parse_address("192.0.2.1").value();
    credentials.path = "/x";
    (void)gate_.admit(route, credentials);
  }
  IssuedToken make(const std::string& name, std::optional<UnixMillis> expires_at_ms = {}) {
    return *tokens_.create({name, Role::kAdmin, "/", expires_at_ms, admin("me")});
  }
  void expect(const std::string& reason, int count) {
    EXPECT_THAT(metrics_.render({}), HasSubstr("egress_authentication_failures_total{reason=\"" + reason + "\"} " +
                                               std::to_string(count) + "\n"));
  }

  Metrics metrics_;
  TokenRegistry registry_{clock_};
  Tokens tokens_{*store_, clock_, registry_};
  UiSessions sessions_{clock_};
  AuthFailures failures_{*store_, clock_};
  TokenGate gate_{registry_, sessions_, failures_};
};

TEST_F(FailureMetricsTest, EachReasonIsCountedAsItself) {
  const IssuedToken lasting = make("lasting");
  const IssuedToken revoked = make("revoked");
  ASSERT_TRUE(tokens_.revoke(revoked.record.id, admin("me")));
  const IssuedToken expired = make("expired", clock_.now_ms() + 1);
  clock_.advance_ms(2);
  ask("Bearer " + lasting.text);
  ask("");
  ask("");
  ask("Bearer x");
  ask("Basic x");
  ask("Bearer " + revoked.text);
  ask("Bearer " + expired.text);
  ask("", "of a session that never was");
  expect("missing", 2);
  expect("unknown", 2);
  expect("revoked", 1);
  expect("expired", 1);
  expect("session_over", 1);
  expect("rate_limited", 0);
  expect("other", 0);
}

TEST_F(FailureMetricsTest, WhatIsHeldBackIsCountedOnceAsThat) {
  make("lasting");
  for (int i = 0; i < 13; ++i) ask("Bearer x");
  expect("unknown", 10);
  expect("rate_limited", 3);
}

TEST_F(FailureMetricsTest, AReasonOfAnotherNameIsNotLostAndMakesNoSeries) {
  failures_.note({parse_address("192.0.2.1").value(), "/x", "a_new_reason", false});
  expect("other", 1);
  EXPECT_THAT(metrics_.render({}), ::testing::Not(HasSubstr("a_new_reason")));
}

}  // namespace
}  // namespace egress::server
