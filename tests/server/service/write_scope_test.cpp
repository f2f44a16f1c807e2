#include "server/service/write_scope.h"

#include <gmock/gmock.h>

#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

class WriteScopeTest : public PolicyTestBase {
 protected:
  // That somebody is refused, which somebody else may do.
  template <typename Done>
  void expect_out_of_scope(const Done& done, const std::string& needed) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, "out_of_scope") << done.error().message;
    EXPECT_EQ(done.error().kind, ErrorCode::kForbidden);
    EXPECT_THAT(fields_of(done.error()), HasSubstr("\"namespace\":\"" + needed + "\"")) << done.error().message;
  }

  const Principal prod_ = operator_of("prod");
  const Principal team_ = operator_of("prod/team");
};

TEST_F(WriteScopeTest, NamespacesAreWrittenByOperatorsOverThem) {
  given("prod", {"a.example", "b.example"});
  given("dev", {"a.example"});
  EXPECT_TRUE(namespaces_.put(allowing("prod/team", {"a.example"}, prod_)));
  EXPECT_TRUE(namespaces_.put(allowing("prod/team", {"b.example"}, team_)));
  EXPECT_TRUE(namespaces_.put(allowing("prod/team/deep", {}, team_)));
  for (const char* path : {"prod", "dev", "/", "prod/team2", "dev/x"}) {
    expect_out_of_scope(namespaces_.put(allowing(path, {}, team_)), path);
    expect_out_of_scope(namespaces_.remove({path, true, false, team_}), path);
  }
  EXPECT_TRUE(namespaces_.remove({"prod/team/deep", false, false, team_}));
  EXPECT_TRUE(namespaces_.remove({"prod/team", false, false, team_})) << "its own top, too";
}

TEST_F(WriteScopeTest, ARoleBelowOperatorWritesNothing) {
  const Principal viewer{Principal::Kind::kUser, "v", Role::kViewer, "/", {}, {}};
  const Principal workload{Principal::Kind::kWorkload, "w", Role::kAdmin, "/", {}, "w"};
  for (const Principal& actor : {viewer, workload, Principal()}) {
    const std::string before = content();
    expect_out_of_scope(namespaces_.put(allowing("prod", {}, actor)), "prod");
    expect_out_of_scope(namespaces_.remove({"default", true, false, actor}), "default");
    expect_out_of_scope(egress_.put(egress(Action::kDeny, "a.example", actor)), "/");
    expect_out_of_scope(egress_.remove(Action::kDeny, egress(Action::kDeny, "a.example").pattern, actor), "/");
    expect_out_of_scope(mode_.set(Mode::kShadow, actor), "/");
    expect_out_of_scope(apply(mirrord("prod", "p", "{}"), actor), "prod");
    expect_out_of_scope(manifests_.remove({"MirrordPolicy", "prod", "p", true, false, actor}), "prod");
    expect_out_of_scope(change({egress(Action::kDeny, "a.example")}, actor), "/");
    EXPECT_EQ(content(), before);
  }
}

TEST_F(WriteScopeTest, WhatConcernsTheWholeFleetNeedsTheRoot) {
  expect_out_of_scope(egress_.put(egress(Action::kDeny, "a.example", prod_)), "/");
  expect_out_of_scope(mode_.set(Mode::kShadow, prod_), "/");
  expect_out_of_scope(mode_.set(Mode::kShadow, operator_of("/")), "/");
  EXPECT_TRUE(mode_.set(Mode::kShadow, admin("me")));
  expect_out_of_scope(
      apply("apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: block}\n", prod_),
      "/");
  expect_out_of_scope(
      apply("apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordClusterPolicy\nmetadata: {name: p}\n"
            "spec: {network: {outgoing: {}}}\n",
            prod_),
      "/");
  EXPECT_TRUE(egress_.put(egress(Action::kDeny, "a.example", operator_of("/"))));
}

TEST_F(WriteScopeTest, TheRightsOfATopLevelGrantAreTheRoots) {
  expect_out_of_scope(namespaces_.put(allowing("prod", {"a.example"}, prod_)), "/");
  EXPECT_TRUE(namespaces_.put(allowing("prod", {}, prod_))) << "nothing is granted";
  expect_out_of_scope(namespaces_.put(allowing("prod", {"a.example"}, prod_)), "/");
  given("prod", {"**.example"});
  EXPECT_TRUE(namespaces_.put(allowing("prod", {"a.example", "*.b.example"}, prod_))) << "covered by what was granted";
  expect_out_of_scope(namespaces_.put(allowing("prod", {"**.example"}, prod_)), "/");
  EXPECT_TRUE(namespaces_.put(allowing("prod/team", {"a.example"}, prod_))) << "bounded by prod";
}

TEST_F(WriteScopeTest, ATopLevelGrantIsNotProlongedFromBelow) {
  auto hour = allowing("prod", {"a.example"});
  hour.allowed.value->front().expires_at_ms = clock_.now_ms() + 3'600'000;
  ASSERT_TRUE(namespaces_.put(hour));
  auto longer = hour;
  longer.actor = prod_;
  *longer.allowed.value->front().expires_at_ms += 1;
  expect_out_of_scope(namespaces_.put(longer), "/");
  longer.allowed.value->front().expires_at_ms.reset();
  expect_out_of_scope(namespaces_.put(longer), "/");
  auto shorter = hour;
  shorter.actor = prod_;
  *shorter.allowed.value->front().expires_at_ms -= 1;
  EXPECT_TRUE(namespaces_.put(shorter));
}

TEST_F(WriteScopeTest, DocumentsThatGrantAtTheTopNeedTheRoot) {
  given_bare("prod");
  expect_out_of_scope(apply(mirrord("prod", "p", "{allow: [{hostname: a}]}"), prod_), "/");
  expect_out_of_scope(apply(gateway("prod", "g", "allow-all"), prod_), "/");
  EXPECT_TRUE(apply(mirrord("prod", "p", "{block: [{hostname: a}]}"), prod_));
  EXPECT_TRUE(apply(gateway("prod", "g", "deny-all"), prod_));
  expect_out_of_scope(apply(route("prod", "r", "prod", "g", "a.example"), prod_), "/");
  expect_out_of_scope(apply(gateway("prod", "g", "allow-all"), prod_), "/");
  given("prod", {"a.example"});
  EXPECT_TRUE(apply(mirrord("prod/team", "p", "{allow: [{hostname: a}]}"), team_)) << "bounded by prod";
  EXPECT_TRUE(apply(gateway("prod/team", "g", "allow-all"), team_));
  EXPECT_EQ(verdict("prod/team", "b.example"), Verdict::kDeny);
}

TEST_F(WriteScopeTest, AGrantingDocumentKeepsItsOwnBlocks) {
  ASSERT_TRUE(apply(mirrord("prod", "p", "{allow: [{hostname: example}], block: [{hostname: evil}]}")));
  expect_out_of_scope(apply(mirrord("prod", "p", "{allow: [{hostname: example}]}"), prod_), "/");
  EXPECT_TRUE(
      apply(mirrord("prod", "p", "{allow: [{hostname: example}], block: [{hostname: evil}, {hostname: bad}]}"), prod_));
  EXPECT_TRUE(manifests_.remove({"MirrordPolicy", "prod", "p", false, false, prod_}));
}

TEST_F(WriteScopeTest, NothingIsWrittenIntoANeighboursGateway) {
  given("prod", {"**.example"});
  given("dev", {"**.example"});
  ASSERT_TRUE(apply(gateway("dev", "g", "deny-all")));
  expect_out_of_scope(apply(route("prod", "r", "dev", "g", "evil.example"), prod_), "dev");
  ASSERT_TRUE(apply(route("prod", "r", "dev", "g", "evil.example")));
  const std::string deny =
      "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: d, namespace: prod}\n"
      "spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: r}}\n";
  expect_out_of_scope(apply(deny, prod_), "dev");
  ASSERT_TRUE(apply(deny));
  expect_out_of_scope(manifests_.remove({"EgressDenyPolicy", "prod", "d", false, false, prod_}), "dev");
}

TEST_F(WriteScopeTest, ATestIsPlacedByWhoMayWriteWhatItAsksAbout) {
  given("prod", {"a.example"});
  given("prod/team", {"a.example"});
  const std::string test =
      "apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t, namespace: prod/team}\n"
      "spec: {namespace: prod, allow: ['a.example:443/tcp']}\n";
  expect_out_of_scope(apply(test, team_), "prod");
  EXPECT_TRUE(apply(test, prod_));
}

TEST_F(WriteScopeTest, ALaxerSettingNeedsTheParent) {
  given("prod", {"a.example"});
  given("prod/team", {"a.example"});
  auto put = naming("prod/team", team_);
  put.mode = change_to(Mode::kShadow);
  expect_out_of_scope(namespaces_.put(put), "prod");
  put.mode = {};
  auto strict = naming("prod", admin("me"));
  strict.loopback = change_to(LoopbackMode::kEnforce);
  strict.lookups = change_to(LookupMode::kListed);
  ASSERT_TRUE(namespaces_.put(strict));
  put.loopback = change_to(LoopbackMode::kPass);
  expect_out_of_scope(namespaces_.put(put), "prod");
  put.loopback = {};
  put.lookups = change_to(LookupMode::kResolvable);
  expect_out_of_scope(namespaces_.put(put), "prod");
  put.actor = prod_;
  put.mode = change_to(Mode::kShadow);
  EXPECT_TRUE(namespaces_.put(put)) << "the parent's operator may";
  put = naming("prod/team", team_);
  put.description = change_to<std::string>("d");
  EXPECT_TRUE(namespaces_.put(put)) << "what the parent's operator made laxer stays";
}

TEST_F(WriteScopeTest, AStricterSettingIsNotTakenBackFromBelow) {
  ASSERT_TRUE(mode_.set(Mode::kShadow, admin("me")));
  auto put = naming("prod", admin("me"));
  put.mode = change_to(Mode::kEnforcement);
  ASSERT_TRUE(namespaces_.put(put));
  auto reset = naming("prod", prod_);
  reset.mode.present = true;
  expect_out_of_scope(namespaces_.put(reset), "/");
  reset.mode = change_to(Mode::kShadow);
  expect_out_of_scope(namespaces_.put(reset), "/");
  expect_out_of_scope(namespaces_.remove({"prod", true, false, prod_}), "/");
  auto stricter = naming("prod/team", team_);
  stricter.loopback = change_to(LoopbackMode::kEnforce);
  EXPECT_TRUE(namespaces_.put(stricter));
}

TEST_F(WriteScopeTest, AListThatBoundsGrantsIsNotTakenAwayFromBelow) {
  given("prod", {"a.example"});
  given("prod/team", {"a.example"});
  ASSERT_TRUE(apply(mirrord("prod/team", "p", "{allow: [{hostname: evil}]}"), team_));
  expect_out_of_scope(namespaces_.put(inheriting("prod", prod_)), "/");
  expect_out_of_scope(namespaces_.remove({"prod", true, false, prod_}), "/");
  EXPECT_EQ(verdict("prod/team", "evil.example"), Verdict::kDeny);
  EXPECT_TRUE(namespaces_.put(inheriting("prod/team", team_))) << "prod still bounds what is attached there";
  EXPECT_EQ(verdict("prod/team", "evil.example"), Verdict::kDeny);
  EXPECT_TRUE(manifests_.remove({"MirrordPolicy", "prod/team", "p", false, false, team_}));
  EXPECT_TRUE(namespaces_.put(inheriting("prod", prod_))) << "nothing is left that it bounded";
}

TEST_F(WriteScopeTest, AListThatBoundsADocumentBesideItIsNotTakenAwayFromBelow) {
  given("prod", {"a.example"});
  ASSERT_TRUE(apply(mirrord("prod", "p", "{allow: [{hostname: example}]}"))) << "the root placed it";
  EXPECT_EQ(verdict("prod", "b.example"), Verdict::kDeny);
  expect_out_of_scope(namespaces_.put(inheriting("prod", prod_)), "/");
  expect_out_of_scope(namespaces_.remove({"prod", true, false, prod_}), "/");
  EXPECT_EQ(verdict("prod", "b.example"), Verdict::kDeny);
  EXPECT_TRUE(namespaces_.put(allowing("prod", {}, prod_))) << "closing it further is not taking it away";
}

TEST_F(WriteScopeTest, AnAncestorAboveBoundsOnToo) {
  given("org", {"a.example"});
  given("org/prod", {"a.example"});
  given("org/prod/team", {"a.example"});
  EXPECT_TRUE(namespaces_.put(inheriting("org/prod", operator_of("org/prod"))));
  expect_out_of_scope(namespaces_.put(inheriting("org", operator_of("org"))), "/");
}

TEST_F(WriteScopeTest, AChangeSetOfMixedScopesIsRefusedWhole) {
  given("prod", {"a.example"});
  const std::string before = content();
  const auto refused = change({allowing("prod/team", {}), allowing("dev", {})}, prod_);
  expect_out_of_scope(refused, "dev");
  EXPECT_THAT(fields_of(refused.error()), HasSubstr("\"change\":1"));
  EXPECT_EQ(content(), before);
}

TEST_F(WriteScopeTest, RollingBackNeedsTheScopeOfEverythingItChanges) {
  given("prod", {"a.example", "b.example"});
  given("prod/team", {"a.example"});
  const std::uint64_t start = revision();
  ASSERT_TRUE(namespaces_.put(allowing("prod/team", {}, team_)));
  EXPECT_TRUE(revisions_.roll_back({start, "", false, false, team_}));
  EXPECT_EQ(namespaces_.get("prod/team")->record.allowed, entries({"a.example"}));
  given("prod", {"a.example"});
  expect_out_of_scope(revisions_.roll_back({start, "", false, false, team_}), "prod");
  expect_out_of_scope(revisions_.roll_back({start, "", false, false, prod_}), "/");
  EXPECT_TRUE(revisions_.roll_back({start, "", false, false, operator_of("/")}));
}

}  // namespace
}  // namespace egress::server
