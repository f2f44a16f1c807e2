#include "preload/agent/lookup.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <map>

#include "shared/compile/link_stack.h"
#include "tests/preload/agent/bundle_fixture.h"

namespace egress {
namespace {

using Names = std::vector<std::string>;

// plan_lookup() over a scripted judge: names not listed are denied.
class PlanLookupTest : public ::testing::Test {
 protected:
  LookupPlan plan(const std::string& typed, std::int32_t family = AF_UNSPEC) {
    const auto hosts = HostsFile::parse(hosts_text);
    const auto resolver = ResolverConfig::parse(resolver_text);
    const auto overrides = ResolveOverrides::parse(overrides_text).value();
    return plan_lookup(typed, family, {hosts, resolver, overrides, loopback_passes}, [&](const std::string& name) {
      judged.push_back(name);
      NameJudgement judgement;
      const auto found = verdicts.find(name);
      judgement.verdict = found == verdicts.end() ? Verdict::kDeny : found->second;
      return judgement;
    });
  }

  std::string hosts_text;
  std::string resolver_text;
  std::string overrides_text;
  bool loopback_passes = true;
  std::map<std::string, Verdict> verdicts;
  Names judged;
};

TEST_F(PlanLookupTest, AllowedNameIsAskedFor) {
  verdicts["api.example"] = Verdict::kAllow;
  const auto result = plan("API.example");
  EXPECT_EQ(result.queries, (Names{"api.example"}));
  EXPECT_FALSE(result.synthetic);
  EXPECT_FALSE(result.record.has_value());
}

TEST_F(PlanLookupTest, RefusedNameGetsASyntheticAddressAndARecord) {
  const auto result = plan("evil.example");
  EXPECT_TRUE(result.queries.empty());
  EXPECT_TRUE(result.synthetic);
  ASSERT_TRUE(result.record.has_value());
  EXPECT_EQ(result.record->reason, DenyReason::kDnsName);
}

TEST_F(PlanLookupTest, RefusedExpansionsAreDroppedWithoutARecord) {
  resolver_text = "search corp.example\noptions ndots:5";
  verdicts["api.example"] = Verdict::kAllow;
  const auto result = plan("api.example");
  EXPECT_EQ(judged, (Names{"api.example.corp.example", "api.example"}));
  EXPECT_EQ(result.queries, (Names{"api.example"}));
  EXPECT_FALSE(result.record.has_value());
}

TEST_F(PlanLookupTest, AllowedExpansionOfARefusedShortNameIsAskedWithTheSyntheticAddressToFallBackOn) {
  resolver_text = "search svc.example";
  verdicts["db.svc.example"] = Verdict::kAllow;
  const auto result = plan("db");
  EXPECT_EQ(result.queries, (Names{"db.svc.example"}));
  EXPECT_TRUE(result.synthetic);
  EXPECT_FALSE(result.record.has_value());
}

TEST_F(PlanLookupTest, TrailingDotMeansNoExpansion) {
  resolver_text = "search corp.example";
  verdicts["api"] = Verdict::kAllow;
  EXPECT_EQ(plan("api.").queries, (Names{"api"}));
  EXPECT_EQ(judged, (Names{"api"}));
}

TEST_F(PlanLookupTest, WouldDenyResolvesAndIsRecorded) {
  verdicts["shadow.example"] = Verdict::kWouldDeny;
  const auto result = plan("shadow.example");
  EXPECT_EQ(result.queries, (Names{"shadow.example"}));
  EXPECT_FALSE(result.synthetic);
  ASSERT_TRUE(result.record.has_value());
  EXPECT_EQ(result.record->verdict, Verdict::kWouldDeny);
}

TEST_F(PlanLookupTest, OverridesAreAnsweredBoundAndJudged) {
  overrides_text = "api.example=127.0.0.1,::1;evil.example=127.0.0.1";
  verdicts["api.example"] = Verdict::kAllow;
  const auto v4 = plan("api.example", AF_INET);
  EXPECT_TRUE(v4.queries.empty());
  ASSERT_EQ(v4.addresses.size(), 1u);
  EXPECT_EQ(v4.addresses[0], make_ipv4(0x7f000001));
  EXPECT_EQ(v4.bindings.size(), 2u);
  const auto refused = plan("evil.example");
  EXPECT_TRUE(refused.synthetic);
  EXPECT_TRUE(refused.bindings.empty());
  EXPECT_TRUE(refused.record.has_value());
}

TEST_F(PlanLookupTest, OverridesWinOverTheHostsFile) {
  overrides_text = "api.example=10.0.0.2";
  hosts_text = "10.0.0.1 api.example";
  verdicts["api.example"] = Verdict::kAllow;
  EXPECT_EQ(plan("api.example").addresses, (std::vector<Address>{make_ipv4(0x0a000002)}));
}

TEST_F(PlanLookupTest, IPv4OnlyNameOfAnIPv6LookupIsLeftToTheCallersHints) {
  overrides_text = "api.example=10.0.0.2";
  verdicts["api.example"] = Verdict::kAllow;
  EXPECT_EQ(plan("api.example", AF_INET6).addresses.size(), 1u);
  overrides_text = "api.example=2001:db8::1";
  EXPECT_TRUE(plan("api.example", AF_INET).addresses.empty());
}

TEST_F(PlanLookupTest, LoopbackNamesResolveUnjudgedWhileLoopbackPasses) {
  hosts_text = "127.0.1.1 thishost\n10.0.0.1 other";
  for (const char* name : {"localhost", "app.localhost", "thishost"}) {
    const auto result = plan(name);
    EXPECT_FALSE(result.addresses.empty()) << name;
    EXPECT_FALSE(result.synthetic) << name;
    EXPECT_EQ(result.bindings.empty(), false) << name;
  }
  EXPECT_TRUE(judged.empty());
  EXPECT_TRUE(plan("other").synthetic);
}

TEST_F(PlanLookupTest, LoopbackNamesAreJudgedWhenLoopbackIsEnforced) {
  loopback_passes = false;
  EXPECT_TRUE(plan("localhost").synthetic);
  verdicts["localhost"] = Verdict::kAllow;
  EXPECT_EQ(plan("localhost", AF_INET).addresses, (std::vector<Address>{make_ipv4(0x7f000001)}));
}

TEST_F(PlanLookupTest, WhatIsNoHostNameGetsNothing) {
  for (const char* typed : {"", ".", "a..b", "bad name", "a/b"}) {
    const auto result = plan(typed);
    EXPECT_TRUE(result.queries.empty() && result.addresses.empty() && !result.synthetic) << typed;
    EXPECT_FALSE(result.record.has_value()) << typed;
  }
}

TEST_F(PlanLookupTest, AddressSpellingsAreAddressesAndBindNothing) {
  for (const char* typed : {"127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"}) {
    const auto result = plan(typed);
    EXPECT_EQ(result.addresses, (std::vector<Address>{make_ipv4(0x7f000001)})) << typed;
    EXPECT_TRUE(result.bindings.empty()) << typed;
  }
  EXPECT_EQ(plan("::1").addresses.size(), 1u);
  EXPECT_TRUE(judged.empty());
}

// judge_name() over real tables.
class JudgeNameTest : public ::testing::Test {
 protected:
  void link(std::vector<Rule> rules, StackSettings settings = {}, bool quarantine = false) {
    Layer layer;
    layer.id = "namespace:test";
    layer.unmatched = Vote::kDeny;
    layer.quarantine = quarantine;
    layer.rules = std::move(rules);
    auto compiled = CompiledLayer::load(compile_layer(layer));
    ASSERT_TRUE(compiled.has_value()) << compiled.error().message;
    auto linked = link_stack({*compiled}, settings, Workload{}, 1u << 20);
    ASSERT_TRUE(linked.has_value()) << linked.error().message;
    stack = std::move(*linked);
    ASSERT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  }
  NameJudgement judge(const std::string& name) { return judge_name(table, stack.names, name, 0); }

  LinkedStack stack;
  ConnectTable table;
};

TEST_F(JudgeNameTest, AllowsWhatARuleAllowsAndCitesTheLayerThatDenies) {
  link({allow_host("api.example"), block_host("evil.example")});
  EXPECT_EQ(judge("api.example").verdict, Verdict::kAllow);
  const auto unmatched = judge("other.example");
  EXPECT_EQ(unmatched.verdict, Verdict::kDeny);
  EXPECT_EQ(unmatched.layer, 0);
  EXPECT_EQ(unmatched.rule, kNoRule);
  EXPECT_EQ(judge("evil.example").rule, 1u);
}

TEST_F(JudgeNameTest, ANameThatOnlySomePortAllowsResolves) {
  Rule rule = allow_host("db.example");
  rule.ports = {{.protocol = Transport::kTcp, .range = {5432, 5432}}};
  link({rule});
  EXPECT_EQ(judge("db.example").verdict, Verdict::kAllow);
}

TEST_F(JudgeNameTest, ListedLookupsNeedARuleThatNamesTheHost) {
  Rule anywhere;
  anywhere.cidrs = {{.cidr = parse_cidr("203.0.112.0/23")->cidr, .except = {}}};
  anywhere.name = "allow 203.0.112.0/23";
  link({anywhere, allow_host("api.example")});
  EXPECT_EQ(judge("tunnel.example").verdict, Verdict::kAllow);
  link({anywhere, allow_host("api.example")}, {.lookups = LookupMode::kListed, .control_plane = {}});
  EXPECT_EQ(judge("tunnel.example").verdict, Verdict::kDeny);
  EXPECT_EQ(judge("api.example").verdict, Verdict::kAllow);
}

TEST_F(JudgeNameTest, ShadowResolvesButAQuarantineDoesNot) {
  link({allow_host("api.example")}, {.mode = Mode::kShadow, .control_plane = {}});
  EXPECT_EQ(judge("other.example").verdict, Verdict::kWouldDeny);
  link({}, {.mode = Mode::kShadow, .control_plane = {}}, true);
  EXPECT_EQ(judge("other.example").verdict, Verdict::kDeny);
}

TEST_F(JudgeNameTest, WithoutPolicyEveryNameIsRefusedForThatReason) {
  stack = link_no_policy(NoPolicyCause::kUnavailable, {});
  ASSERT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  EXPECT_EQ(judge("api.example").verdict, Verdict::kDeny);
  EXPECT_EQ(judge("api.example").reason, DenyReason::kNoPolicy);
}

}  // namespace
}  // namespace egress
