#include "server/service/changesets.h"

#include <gmock/gmock.h>

#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChangesetsTest : public PolicyTestBase {
 protected:
  static ManifestText manifest(const std::string& text) { return {text, {}}; }
  static std::vector<std::string> results_of(const Result<ChangesetResult>& done) {
    if (!done) return {done.error().code + ": " + done.error().message};
    std::vector<std::string> results;
    for (const OperationResult& one : done->results) results.push_back(one.op + " " + one.subject + " " + one.result);
    return results;
  }
};

TEST_F(ChangesetsTest, EveryOperationTakesPartInOneRevision) {
  ASSERT_TRUE(egress_.put(egress(Action::kAllow, "old.example")));
  ASSERT_TRUE(egress_.put(egress(Action::kDeny, "worse.example")));
  ASSERT_TRUE(apply(gateway("prod", "g", "deny-all")));
  given_bare("gone");
  const std::uint64_t before = revision();
  const std::size_t told = observer_.changes.size();
  const auto done = change({egress(Action::kAllow, "a.example"), egress(Action::kDeny, "b.example"),
                            EgressRemoval{Action::kAllow, egress(Action::kAllow, "old.example").pattern},
                            EgressRemoval{Action::kDeny, egress(Action::kAllow, "worse.example").pattern},
                            allowing("prod", {"a.example"}), NamespaceRemoval{"gone", false, false, {}}, Mode::kShadow,
                            manifest(mirrord("prod", "p", "{block: [{hostname: c}]}")),
                            DocumentRemoval{"EgressGateway", "prod", "g", false, false, {}}});
  EXPECT_THAT(
      results_of(done),
      ElementsAre("allow a.example created", "block b.example created", "remove_allow old.example removed",
                  "remove_block worse.example removed", "namespace prod created", "remove_namespace gone removed",
                  "mode shadow changed", "manifest  changed", "remove_document EgressGateway prod/g removed"));
  EXPECT_EQ(done->revision, before + 1);
  EXPECT_EQ(revision(), before + 1);
  ASSERT_EQ(observer_.changes.size(), told + 1);
  EXPECT_EQ(observer_.changes.back().revision, before + 1);
  EXPECT_EQ(changes_of(before + 1).size(), 9U);
  for (const char* event : {"policy_allow", "policy_block", "policy_removed", "namespace_created", "namespace_deleted",
                            "mode_changed", "manifest_applied", "manifest_removed"}) {
    EXPECT_GE(rows_of(event), 1U) << event;
  }
}

TEST_F(ChangesetsTest, AParentAndItsChildrenMoveTogether) {
  given("prod", {"a.example"});
  given("prod/x", {"a.example"});
  EXPECT_EQ(namespaces_.put(allowing("prod", {"b.example"})).error().code, "cascade_violations");
  EXPECT_EQ(namespaces_.put(allowing("prod/x", {"b.example"})).error().code, "child_widens_parent");
  EXPECT_TRUE(change({allowing("prod/x", {"b.example"}), allowing("prod", {"b.example"})}));
  EXPECT_TRUE(namespaces_.get("prod/x")->broken.empty());
}

TEST_F(ChangesetsTest, TheFinalStateIsWhatCounts) {
  given("prod", {"a.example"});
  given("prod/x", {"a.example"});
  const std::string before = content();
  const auto widened = change({allowing("prod", {"b.example"}), allowing("prod/x", {"a.example", "b.example"})});
  ASSERT_FALSE(widened);
  EXPECT_EQ(widened.error().code, "cascade_violations") << "a.example of the child was there before";
  EXPECT_THAT(fields_of(widened.error()), HasSubstr(R"({"child":"prod/x","uncovered_domains":["a.example"]})"));
  const auto added = change({allowing("prod", {"b.example"}), allowing("prod/x", {"c.example"})});
  EXPECT_EQ(added.error().code, "child_widens_parent");
  EXPECT_EQ(content(), before);
  EXPECT_TRUE(change({allowing("tmp", {"z.example"}), NamespaceRemoval{"tmp", false, false, {}}}));
  EXPECT_EQ(content(), before) << "what comes and goes leaves nothing";
}

TEST_F(ChangesetsTest, CascadesAreGatheredByChild) {
  given("prod", {"a.example", "b.example"});
  given("prod/x", {"a.example", "b.example"});
  given("prod/x/y", {"a.example", "b.example"});
  const std::vector<Operation> operations{allowing("prod", {"b.example"}), allowing("prod/x", {"b.example"})};
  const auto refused = change(operations);
  EXPECT_EQ(fields_of(refused.error()),
            R"({"cascade_warnings":[{"child":"prod/x/y","uncovered_domains":["a.example"]}]})");
  const auto forced = change(operations, admin("me"), true);
  ASSERT_TRUE(forced);
  ASSERT_EQ(forced->cascade_warnings.size(), 1U);
  EXPECT_EQ(namespaces_.get("prod/x/y")->broken.size(), 2U) << "by both ancestors";
}

TEST_F(ChangesetsTest, ANamespaceAndAllOfItsUseGoTogether) {
  given("prod", {"a.example"});
  given("prod/x", {"a.example"});
  ASSERT_TRUE(apply(gateway("prod", "g", "deny-all")));
  EXPECT_EQ(change({NamespaceRemoval{"prod", false, false, {}}}).error().code, "namespace_in_use");
  EXPECT_TRUE(change({NamespaceRemoval{"prod", false, false, {}}, NamespaceRemoval{"prod/x", false, false, {}},
                      DocumentRemoval{"EgressGateway", "prod", "g", false, false, {}}}));
}

TEST_F(ChangesetsTest, ReferencesAreCheckedAcrossItsManifests) {
  EXPECT_TRUE(
      change({manifest(route("prod", "r", "prod", "g", "a.example")), manifest(gateway("prod", "g", "deny-all"))}))
      << "the route comes first, and its gateway with it";
  const auto dangling =
      change({egress(Action::kDeny, "a.example"), manifest(route("dev", "r", "dev", "g", "a.example"))});
  ASSERT_FALSE(dangling);
  EXPECT_EQ(dangling.error().code, "invalid_manifest");
  EXPECT_THAT(fields_of(dangling.error()), HasSubstr("changes[1].manifest: "));
  const auto in_use = change({DocumentRemoval{"EgressGateway", "prod", "g", false, false, {}}});
  EXPECT_EQ(in_use.error().code, "document_in_use");
  EXPECT_TRUE(change({DocumentRemoval{"EgressGateway", "prod", "g", false, false, {}},
                      DocumentRemoval{"EgressL4Route", "prod", "r", false, false, {}}}));
}

TEST_F(ChangesetsTest, AProblemNamesItsOperation) {
  const auto unknown = change({egress(Action::kDeny, "a.example"), EgressRemoval{Action::kAllow, {}}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, "egress_entry_not_found");
  EXPECT_THAT(unknown.error().message, HasSubstr("changes[1]: "));
  EXPECT_EQ(fields_of(unknown.error()), R"({"change":1})");
  auto past = egress(Action::kAllow, "a.example");
  past.expires_at_ms = change_to(clock_.now_ms());
  const auto expired = change({past});
  EXPECT_THAT(fields_of(expired.error()), HasSubstr(R"("field":"changes[0].expires_at")"));
  EXPECT_THAT(fields_of(change({manifest("kind: Nope\n")}).error()), HasSubstr("changes[0].manifest: "));
}

TEST_F(ChangesetsTest, TestsGateItUnlessItOnlyCutsOrIsForced) {
  given("prod", {"a.example", "b.example"});
  ASSERT_TRUE(apply(policy_test("t", "prod", "'a.example:443/tcp'", "'c.example:443/tcp'")));
  const std::string before = content();
  EXPECT_EQ(change({allowing("prod", {"b.example"})}).error().code, "policy_tests_failed");
  EXPECT_EQ(change({egress(Action::kDeny, "a.example"), allowing("prod", {"b.example"})}).error().code,
            "policy_tests_failed");
  EXPECT_EQ(content(), before);
  EXPECT_TRUE(change({allowing("prod", {"a.example"})}));
  EXPECT_TRUE(change({egress(Action::kDeny, "a.example")})) << "a block never waits";
  EXPECT_EQ(change({allowing("prod", {"a.example", "b.example"})}).error().code, "policy_tests_failed")
      << "what fails already goes on failing";
  EXPECT_TRUE(change({EgressRemoval{Action::kDeny, egress(Action::kDeny, "a.example").pattern}}));
  EXPECT_TRUE(change({allowing("prod", {})})) << "nor does a quarantine";
  EXPECT_TRUE(change({allowing("prod", {"b.example"})}, admin("me"), true));
  EXPECT_TRUE(namespaces_.put(allowing("prod", {"c.example"}))) << "single calls are not gated";
}

TEST_F(ChangesetsTest, AQuarantineSaysHowManySessionsAreLive) {
  given("prod", {"a.example"});
  given("prod/x", {"a.example"});
  sessions_.live = {{"prod", 2}, {"prod/x", 3}, {"dev", 5}};
  const auto done = change({allowing("prod/x", {}), allowing("prod", {})});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->live_sessions, 8U) << "prod and below, and prod/x by itself";
  EXPECT_EQ(change({egress(Action::kDeny, "a.example")})->live_sessions, std::nullopt);
}

TEST_F(ChangesetsTest, ADryRunSaysTheSameAndDoesNothing) {
  given("prod", {"a.example"});
  const std::string before = content();
  const std::size_t rows = audit_rows().size();
  const std::vector<Operation> operations{allowing("prod", {"b.example"}), manifest(gateway("prod", "g", "deny-all"))};
  const auto dry = change(operations, admin("me"), false, true);
  ASSERT_TRUE(dry);
  EXPECT_EQ(content(), before);
  EXPECT_EQ(audit_rows().size(), rows);
  const auto done = change(operations);
  EXPECT_EQ(results_of(dry), results_of(done));
  EXPECT_EQ(dry->revision, done->revision);
}

TEST_F(ChangesetsTest, WhatChangesNothingMakesNoRevision) {
  given("prod", {"a.example"});
  const std::uint64_t before = revision();
  const std::size_t told = observer_.changes.size();
  const auto done = change({allowing("prod", {"a.example"}), Mode::kEnforcement});
  EXPECT_THAT(results_of(done), ElementsAre("namespace prod unchanged", "mode enforcement unchanged"));
  EXPECT_EQ(done->revision, 0U);
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(observer_.changes.size(), told);
}

TEST_F(ChangesetsTest, WarningsNameTheOperation) {
  const auto done = change({Mode::kShadow, manifest(gateway("nowhere", "g", "deny-all"))});
  ASSERT_TRUE(done);
  ASSERT_EQ(done->warnings.size(), 1U);
  EXPECT_EQ(done->warnings[0].first, 1U);
  EXPECT_EQ(done->warnings[0].second.path, "metadata.namespace");
}

// Former bugs

// A change-set has no query: a removal was refused as invalid_query.
TEST_F(ChangesetsTest, WhatARemovalGotWrongIsAField) {
  const auto placed = change({DocumentRemoval{"Namespace", "prod", "x", false, false, {}}});
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code, "invalid_field");
  EXPECT_THAT(fields_of(placed.error()), HasSubstr(R"("field":"changes[0].namespace")"));
  const auto named = change({DocumentRemoval{"EgressDomain", "", "a..b", false, false, {}}});
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, "invalid_field");
  EXPECT_THAT(fields_of(named.error()), HasSubstr(R"("field":"changes[0].name")"));
}

// What only the service refuses was named by its change alone in the message.
TEST_F(ChangesetsTest, MessagesNameTheFieldToo) {
  NamespacePut put = allowing("prod", {});
  put.default_action = change_to(Action::kAllow);
  const auto refused = change({Mode::kShadow, put});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::StartsWith("changes[1].default_action: "));
}

}  // namespace
}  // namespace egress::server
