#include "server/service/egress_policy.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

class EgressPolicyTest : public ServiceTest {
 protected:
  EgressPolicy::Put allow(const std::string& domain) {
    EgressPolicy::Put put;
    put.action = Action::kAllow;
    put.pattern = parse_host_pattern(domain).value().pattern;
    put.actor = admin("me");
    return put;
  }

  EgressPolicy policy_{*store_, clock_, observer_};
};

TEST_F(EgressPolicyTest, TellsNewEntriesFromChangedOnes) {
  EXPECT_TRUE(policy_.put(allow("a.example"))->created);
  EXPECT_FALSE(policy_.put(allow("a.example"))->created);
  EXPECT_EQ(policy_.list()->size(), 1U);
}

TEST_F(EgressPolicyTest, AnAbsentFieldKeepsItsValueAndNullResetsIt) {
  auto put = allow("a.example");
  put.reason = change_to<std::string>("payments");
  put.require_auth = change_to(true);
  put.expires_at_ms = change_to<UnixMillis>(clock_.now_ms() + 1000);
  ASSERT_TRUE(policy_.put(put));
  const auto kept = policy_.put(allow("a.example"))->listed.entry;
  EXPECT_EQ(kept.reason, "payments");
  EXPECT_TRUE(kept.require_auth);
  EXPECT_TRUE(kept.expires_at_ms);
  auto reset = allow("a.example");
  reset.reason.present = reset.require_auth.present = reset.expires_at_ms.present = true;
  const auto gone = policy_.put(reset)->listed.entry;
  EXPECT_EQ(gone.reason, "");
  EXPECT_FALSE(gone.require_auth);
  EXPECT_FALSE(gone.expires_at_ms);
}

TEST_F(EgressPolicyTest, TheSameDomainMayStandInBothLists) {
  ASSERT_TRUE(policy_.put(allow("a.example")));
  auto block = allow("a.example");
  block.action = Action::kDeny;
  EXPECT_TRUE(policy_.put(block)->created);
  EXPECT_EQ(policy_.list()->size(), 2U);
}

TEST_F(EgressPolicyTest, RefusesAnExpiryInThePastAndChangesNothing) {
  auto put = allow("a.example");
  put.expires_at_ms = change_to(clock_.now_ms());
  const auto refused = policy_.put(put);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "invalid_field");
  EXPECT_TRUE(policy_.list()->empty());
  EXPECT_TRUE(audit_rows().empty());
  EXPECT_TRUE(observer_.changes.empty());
}

TEST_F(EgressPolicyTest, EveryWriteIsAuditedWithItsReasonAndRaisesTheRevision) {
  auto put = allow("a.example");
  put.reason = change_to<std::string>("payments");
  ASSERT_TRUE(policy_.put(put));
  put.action = Action::kDeny;
  ASSERT_TRUE(policy_.put(put));
  ASSERT_TRUE(policy_.remove(Action::kAllow, put.pattern, admin("you")));
  const auto rows = audit_rows();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[2].event, "policy_allow");
  EXPECT_EQ(rows[1].event, "policy_block");
  EXPECT_EQ(rows[0].event, "policy_removed");
  EXPECT_EQ(rows[0].actor, "you");
  EXPECT_EQ(rows[0].subject, "a.example");
  for (const auto& row : rows) EXPECT_THAT(row.detail, HasSubstr(R"("reason":"payments")"));
  ASSERT_EQ(observer_.changes.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(observer_.changes[i].revision, i + 1);
    EXPECT_FALSE(observer_.changes[i].subtree);
  }
}

TEST_F(EgressPolicyTest, RemovingWhatIsNotThereIsNotFound) {
  const auto removed = policy_.remove(Action::kAllow, allow("a.example").pattern, admin("me"));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().kind, ErrorCode::kNotFound);
  EXPECT_EQ(removed.error().code, "egress_entry_not_found");
  EXPECT_TRUE(observer_.changes.empty());
}

TEST_F(EgressPolicyTest, ListsHowOftenARuleDecidedAndForgetsItOnRemoval) {
  ASSERT_TRUE(policy_.put(allow("a.example")));
  const auto used = store_->write([](Writer& writer) -> Expected<int> {
    writer.add_rule_use(kEgressLayer, {"allow a.example", 4, 99});
    return 0;
  });
  ASSERT_TRUE(used);
  EXPECT_EQ(policy_.list()->front().hits, 4U);
  EXPECT_EQ(policy_.list()->front().last_used_ms, 99);
  ASSERT_TRUE(policy_.remove(Action::kAllow, allow("a.example").pattern, admin("me")));
  EXPECT_EQ(policy_.put(allow("a.example"))->listed.hits, 0U);
}

}  // namespace
}  // namespace egress::server
