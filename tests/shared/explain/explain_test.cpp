#include "shared/explain/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/policy/assemble.h"
#include "shared/policy/destination.h"
#include "tests/shared/evaluate/stack_builder.h"

namespace egress {
namespace {

using namespace egress::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Explanation ask_about(const LinkedStack& stack, const char* destination) {
  return explain(stack, question_of(parse_destination(destination).value(), 0)).value();
}

LinkedStack seed_stack() {
  Layer global;
  global.id = "egress";
  global.rules = {make_domain_rule(Action::kAllow, host("api.stripe.com"), std::nullopt, false),
                  make_domain_rule(Action::kDeny, host("evil-c2.example"), std::nullopt, false)};
  const auto entries = [](std::vector<const char*> texts) {
    std::vector<DomainEntry> list;
    for (const char* text : texts) list.push_back({host(text), "", std::nullopt});
    return AllowList(list);
  };
  return link({global, make_namespace_layer("prod/payments/eu-west", entries({"api.bank.eu"}), {}),
               make_namespace_layer("prod/payments", entries({"api.stripe.com", "api.bank.eu"}), {})});
}

TEST(ExplainTest, ShowsEveryLayersVote) {
  const Explanation result = ask_about(seed_stack(), "api.stripe.com:443/tcp");
  EXPECT_EQ(result.decision.verdict, Verdict::kDeny);
  EXPECT_EQ(result.layer, "namespace:prod/payments/eu-west");
  EXPECT_EQ(result.rule, "unmatched");
  ASSERT_EQ(result.votes.size(), 3u);
  EXPECT_EQ(result.votes[0].vote, Vote::kAllow);
  EXPECT_EQ(result.votes[0].rule, "allow api.stripe.com");
  EXPECT_EQ(result.votes[1].vote, Vote::kDeny);
  EXPECT_EQ(result.votes[2].vote, Vote::kAllow);
  ASSERT_EQ(result.fixes.size(), 1u);
  EXPECT_EQ(result.fixes[0].summary, "add api.stripe.com to allowed_domains of namespace prod/payments/eu-west");
}

TEST(ExplainTest, AnAllowNeedsNoFix) {
  const Explanation result = ask_about(seed_stack(), "api.bank.eu:443/tcp");
  EXPECT_EQ(result.decision.verdict, Verdict::kAllow);
  EXPECT_THAT(result.fixes, IsEmpty());
  EXPECT_THAT(result.assumes, ElementsAre("no address given: rules with CIDRs do not match"));
}

TEST(ExplainTest, ABlockInTheGlobalTableIsRemovedByOneCall) {
  const Explanation result = ask_about(seed_stack(), "evil-c2.example:443/tcp");
  EXPECT_EQ(result.layer, "egress");
  ASSERT_GE(result.fixes.size(), 1u);
  EXPECT_EQ(result.fixes[0].request_method, "DELETE");
  EXPECT_EQ(result.fixes[0].request_path, "/api/policy/egress/block?domain=evil-c2.example");
}

TEST(ExplainTest, WhereNothingGrantsAGrantIsTheFix) {
  Layer global;
  global.id = "egress";
  const Explanation result = ask_about(link({global}), "new.example:443/tcp");
  EXPECT_EQ(result.layer, "default");
  ASSERT_EQ(result.fixes.size(), 1u);
  EXPECT_EQ(result.fixes[0].request_path, "/api/policy/egress/allow");
  EXPECT_THAT(result.fixes[0].request_body, HasSubstr("new.example"));
}

TEST(ExplainTest, RulesAreCitedByDocumentAndLine) {
  Rule rule = block_hosts({"bad.example"});
  rule.name = "spec.network.outgoing.block[0]";
  rule.document = "MirrordPolicy default/boats";
  rule.line = 12;
  const Explanation result =
      ask_about(link({{"mirrord:default/boats", Vote::kAbstain, false, std::nullopt, {rule}}}), "bad.example:443/tcp");
  EXPECT_EQ(result.votes[0].document, "MirrordPolicy default/boats");
  EXPECT_EQ(result.votes[0].line, 12u);
  EXPECT_THAT(result.fixes[0].summary, HasSubstr("MirrordPolicy default/boats, line 12"));
}

TEST(ExplainTest, WithoutAnAddressCidrsDoNotMatch) {
  const LinkedStack stack =
      link({{"g", Vote::kDeny, false, std::nullopt, {allow_cidr("0.0.0.0/0"), allow_cidr("::/0")}}});
  EXPECT_EQ(ask_about(stack, "a.com:443/tcp").decision.verdict, Verdict::kDeny);
  ExplainQuestion question = question_of(parse_destination("a.com:443/tcp").value(), 0);
  question.address = address("203.0.113.5");
  EXPECT_EQ(explain(stack, question)->decision.verdict, Verdict::kAllow);
}

TEST(ExplainTest, AnOpenLayerThatStopsBlockingNeedsNoGrant) {
  const Explanation result = ask_about(
      link({{"gateway:/", Vote::kAllow, false, std::nullopt, {block_hosts({"bad.example"})}}}), "bad.example:443/tcp");
  EXPECT_EQ(result.decision.verdict, Verdict::kDeny);
  ASSERT_EQ(result.fixes.size(), 1u);
  EXPECT_EQ(result.fixes[0].layer, "gateway:/");
}

TEST(ExplainTest, TheControlPlaneHasNoFix) {
  StackSettings settings;
  settings.control_plane = {{address("127.0.0.1"), 8443}};
  const Explanation result =
      ask_about(link({{"g", Vote::kAllow, false, std::nullopt, {}}}, settings), "127.0.0.1:8443/tcp");
  EXPECT_EQ(result.decision.reason, DenyReason::kControlPlane);
  EXPECT_THAT(result.fixes, IsEmpty());
}

}  // namespace
}  // namespace egress
