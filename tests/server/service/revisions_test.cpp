#include "server/service/revisions.h"

#include <gmock/gmock.h>

#include <random>

#include "server/service/policy_commit.h"
#include "server/service/revision_text.h"
#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RevisionsTest : public PolicyTestBase {
 protected:
  Result<RollbackResult> roll_back(std::uint64_t number, bool force = false, bool dry_run = false) {
    return revisions_.roll_back({number, "because", force, dry_run, admin("me")});
  }
};

TEST_F(RevisionsTest, EveryWayToWritePolicyRecordsWhatItChanged) {
  struct Step {
    std::string name;
    std::function<bool()> write;
    std::vector<std::string> changed;
  };
  auto detailed = allowing("prod", {"a.example", "10.0.0.0/8"});
  detailed.description = change_to<std::string>("quotes \" and\nlines");
  detailed.blocked = change_to(entries({"*.bad.example"}));
  detailed.mode = change_to(Mode::kShadow);
  const std::vector<Step> steps{
      {"allow",
       [&] { return egress_.put(egress(Action::kAllow, "a.example")).has_value(); },
       {"egress allow a.example"}},
      {"block",
       [&] { return egress_.put(egress(Action::kDeny, "a.example")).has_value(); },
       {"egress block a.example"}},
      {"remove an entry",
       [&] {
         return egress_.remove(Action::kAllow, egress(Action::kAllow, "a.example").pattern, admin("me")).has_value();
       },
       {"egress allow a.example"}},
      {"namespace", [&] { return namespaces_.put(detailed).has_value(); }, {"namespace prod"}},
      {"change a namespace", [&] { return namespaces_.put(allowing("prod", {})).has_value(); }, {"namespace prod"}},
      {"mode", [&] { return mode_.set(Mode::kDiscovery, admin("me")).has_value(); }, {"mode server"}},
      {"manifest",
       [&] {
         return apply(gateway("prod", "g", "deny-all") +
                      "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: allow}\n")
             .has_value();
       },
       {"egress block a.example", "egress allow a.example", "document EgressGateway prod/g"}},
      {"remove a document",
       [&] {
         return manifests_.remove({"EgressGateway", "prod", "g", false, false, admin("me")}).has_value();
       },
       {"document EgressGateway prod/g"}},
      {"remove a domain document",
       [&] {
         return manifests_.remove({"EgressDomain", "", "a.example", false, false, admin("me")}).has_value();
       },
       {"egress allow a.example"}},
      {"remove a namespace",
       [&] {
         return namespaces_.remove({"prod", false, false, admin("me")}).has_value();
       },
       {"namespace prod"}},
      {"change-set",
       [&] {
         return change({egress(Action::kDeny, "b.example"), Mode::kShadow}).has_value();
       },
       {"egress block b.example", "mode server"}},
      {"rollback", [&] { return roll_back(1).has_value(); }, {"egress block b.example", "mode server"}},
  };
  std::vector<std::string> contents{"", content()};  // by revision
  for (const Step& step : steps) {
    ASSERT_TRUE(step.write()) << step.name;
    ASSERT_EQ(revision(), contents.size()) << step.name << " is one revision";
    std::vector<std::string> changed;
    for (const RevisionChange& one : changes_of(revision())) {
      changed.push_back(one.kind + " " + one.subject);
      EXPECT_NE(one.before, one.after) << step.name;
    }
    EXPECT_THAT(changed, ::testing::UnorderedElementsAreArray(step.changed)) << step.name;
    contents.push_back(content());
  }
  EXPECT_EQ(contents.back(), contents[1]) << "and the last step led back to the first";
  // Replaying what was recorded, from the newest to each, gives every state again.
  for (std::size_t number = contents.size() - 1; number >= 1; --number) {
    ASSERT_TRUE(roll_back(number, true)) << number;
    EXPECT_EQ(content(), contents[number]) << number;
  }
}

TEST_F(RevisionsTest, ListsTheNewestFirstPageByPage) {
  given("a", {});
  given("b", {});
  const auto page = revisions_.list(admin("me"), std::nullopt, 2);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].summary, "namespace b");
  EXPECT_EQ(page->items[0].actor, "me");
  EXPECT_EQ(page->items[0].changes, 1U);
  EXPECT_EQ(page->next_before, 2U);
  const auto rest = revisions_.list(admin("me"), page->next_before, 2);
  ASSERT_EQ(rest->items.size(), 1U);
  EXPECT_EQ(rest->items[0].summary, "first start");
  EXPECT_EQ(rest->items[0].changes, 2U);
  EXPECT_EQ(rest->next_before, std::nullopt);
}

TEST_F(RevisionsTest, WhoSeesASubtreeSeesItsChangesAlone) {
  given("prod", {});
  ASSERT_TRUE(change({allowing("prod/x", {}), allowing("dev", {}), Mode::kShadow}));
  given("dev", {"a.example"});
  const Principal viewer{Principal::Kind::kUser, "v", Role::kViewer, "prod", {}, {}};
  const auto page = revisions_.list(viewer, std::nullopt, 10);
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].changes, 1U);
  EXPECT_EQ(page->items[0].summary, "") << "it speaks of what is hidden";
  EXPECT_EQ(page->items[1].summary, "namespace prod");
  const auto view = revisions_.get(viewer, page->items[0].number, 0, 10);
  ASSERT_EQ(view->changes.size(), 1U);
  EXPECT_EQ(view->changes[0].subject, "prod/x");
  EXPECT_EQ(view->hidden, 2U);
  const auto elsewhere = revisions_.get(viewer, revision(), 0, 10);
  ASSERT_FALSE(elsewhere) << "as the list leaves it out";
  EXPECT_EQ(elsewhere.error().code, "revision_unknown");
}

TEST_F(RevisionsTest, ChangesOfOneRevisionAreReadInParts) {
  ASSERT_TRUE(change({allowing("a", {}), allowing("b", {}), allowing("c", {})}));
  const auto part = revisions_.get(admin("me"), revision(), 1, 1);
  ASSERT_EQ(part->changes.size(), 1U);
  EXPECT_EQ(part->changes[0].subject, "b");
  EXPECT_EQ(part->visible, 3U);
  EXPECT_THAT(revisions_.get(admin("me"), revision(), 7, 1)->changes, IsEmpty());
  EXPECT_EQ(revisions_.get(admin("me"), revision() + 1, 0, 1).error().code, "revision_unknown");
}

TEST_F(RevisionsTest, RollingBackIsANewRevisionThatIsAudited) {
  given("prod", {"a.example"});
  const std::uint64_t good = revision();
  const std::string before = content();
  given("prod", {"b.example"});
  ASSERT_TRUE(apply(gateway("prod", "g", "deny-all")));
  const auto done = roll_back(good);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->revision, good + 3);
  EXPECT_EQ(revision(), good + 3);
  EXPECT_EQ(content(), before);
  EXPECT_EQ(observer_.changes.back().revision, good + 3);
  const auto rows = audit_rows();
  EXPECT_EQ(rows.front().event, "revision_rolled_back");
  EXPECT_THAT(rows.front().detail, HasSubstr(R"("reason":"because")"));
  EXPECT_EQ(rows_of("manifest_removed"), 1U);
  EXPECT_EQ(verdict("prod", "a.example"), Verdict::kAllow);
}

TEST_F(RevisionsTest, WhatIsEqualAlreadyMakesNoRevision) {
  given("prod", {"a.example"});
  const std::uint64_t before = revision();
  const std::size_t rows = audit_rows().size();
  EXPECT_EQ(roll_back(before)->revision, 0U);
  given("prod", {"b.example"});
  given("prod", {"a.example"});
  EXPECT_EQ(roll_back(before)->revision, 0U);
  EXPECT_EQ(revision(), before + 2);
  EXPECT_EQ(rows_of("revision_rolled_back"), 0U);
  EXPECT_EQ(audit_rows().size(), rows + 2);
}

TEST_F(RevisionsTest, ARollbackIsGatedByTheTestsItBringsBack) {
  ASSERT_TRUE(apply(policy_test("t", "prod", "", "'b.example:443/tcp'")));
  given("prod", {"a.example", "b.example"});
  const std::uint64_t wide = revision();
  given("prod", {"a.example"});
  EXPECT_EQ(roll_back(wide).error().code, "policy_tests_failed");
  EXPECT_EQ(revision(), wide + 1);
  EXPECT_TRUE(roll_back(wide, true));
}

TEST_F(RevisionsTest, EntriesThatComeBackCountAsAdded) {
  auto prod = allowing("prod", {"a.example"});
  prod.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
  ASSERT_TRUE(namespaces_.put(prod));
  given("prod/x", {"a.example"});
  const std::uint64_t then = revision();
  given("prod/x", {});
  clock_.advance_ms(2000);
  const auto refused = roll_back(then);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "child_widens_parent") << "what covered it has ended";
}

TEST_F(RevisionsTest, RollingBackAboveAChildThatCameSinceCascades) {
  given("prod", {"a.example"});
  const std::uint64_t narrow = revision();
  given("prod", {"a.example", "b.example"});
  const std::uint64_t wide = revision();
  given("prod/x", {"b.example"});
  // The child came since, so it goes, and nothing is left to break.
  EXPECT_TRUE(roll_back(narrow, false, true));
  sessions_.live = {{"prod/x", 1}};
  EXPECT_EQ(roll_back(wide).error().code, "namespace_in_use");
  EXPECT_TRUE(roll_back(wide, true));
}

TEST_F(RevisionsTest, ExpiriesStayAbsoluteAndWhatEndedIsWarnedOf) {
  auto put = egress(Action::kAllow, "a.example");
  put.expires_at_ms = change_to<UnixMillis>(clock_.now_ms() + 1000);
  ASSERT_TRUE(egress_.put(put));
  auto prod = allowing("prod", {"b.example"});
  prod.allowed.value->front().expires_at_ms = clock_.now_ms() + 1000;
  ASSERT_TRUE(namespaces_.put(prod));
  const std::uint64_t then = revision();
  ASSERT_TRUE(egress_.remove(Action::kAllow, put.pattern, admin("me")));
  given("prod", {});
  clock_.advance_ms(2000);
  const auto done = roll_back(then);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->warnings.size(), 2U);
  EXPECT_THAT(done->warnings[0], HasSubstr("allow a.example ended at 2023-11-14T22:13:21Z"));
  EXPECT_EQ(egress_.list()->front().entry.expires_at_ms, *put.expires_at_ms.value);
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kDeny);
  EXPECT_EQ(verdict("prod", "b.example"), Verdict::kDeny);
}

TEST_F(RevisionsTest, TokensAndWorkloadsAreNotTouched) {
  const std::uint64_t then = revision();
  const auto registered = store_->write([](Writer& writer) -> Result<void> {
    writer.put_token({"t", TokenKind::kUser, "me", 2, "/", std::string(64, 'a'), {}, "me", 1, {}});
    writer.put_workload({"default", "web", {}, "", "t", "me", 1, 1});
    return {};
  });
  ASSERT_TRUE(registered);
  ASSERT_TRUE(mode_.set(Mode::kShadow, admin("me")));
  ASSERT_TRUE(roll_back(then));
  EXPECT_EQ(store_->read([](Reader& reader) { return reader.tokens(); })->size(), 1U);
  EXPECT_TRUE(*store_->read([](Reader& reader) { return reader.find_workload("default", "web"); }));
}

TEST_F(RevisionsTest, ThereIsNoWayBackAcrossWhatWasNotRecorded) {
  EXPECT_EQ(roll_back(77).error().code, "revision_unknown");
  EXPECT_EQ(roll_back(0).error().code, "revision_unknown");
}

TEST_F(RevisionsTest, ADryRunShowsWhatItWouldDo) {
  const std::uint64_t then = revision();
  given("prod", {"a.example"});
  const std::string before = content();
  const auto dry = roll_back(then, false, true);
  ASSERT_TRUE(dry);
  EXPECT_EQ(dry->revision, then + 2);
  ASSERT_EQ(dry->changes.size(), 1U);
  EXPECT_EQ(dry->changes[0].after, std::nullopt);
  EXPECT_EQ(content(), before);
  EXPECT_EQ(revision(), then + 1);
}

// Without ensure_initial(): a store from before changes were recorded.
class OldRevisionsTest : public ServiceTest {
 protected:
  StoredDocuments documents_;
  Revisions revisions_{*store_, clock_, observer_, documents_};
  ServerMode mode_{*store_, clock_, observer_};
};

TEST_F(OldRevisionsTest, RefusesToGoBackAcrossThem) {
  const auto old = store_->write([](Writer& writer) -> Result<void> {
    for (int i = 0; i < 3; ++i) writer.bump_revision(1, "me", "unrecorded");
    return {};
  });
  ASSERT_TRUE(old);
  const Principal me = admin("me");
  EXPECT_EQ(revisions_.roll_back({2, "", false, false, me}).error().code, "revision_has_no_history");
  EXPECT_EQ(revisions_.roll_back({3, "", false, false, me})->revision, 0U) << "nothing lies in between";
  ASSERT_TRUE(mode_.set(Mode::kShadow, me));
  const auto refused = revisions_.roll_back({2, "", false, false, me});
  EXPECT_EQ(refused.error().code, "revision_has_no_history");
  EXPECT_THAT(refused.error().message, HasSubstr("the oldest revision to go back to is 3"));
  EXPECT_EQ(revisions_.roll_back({3, "", false, false, me})->revision, 5U);
  EXPECT_EQ(mode_.get(), Mode::kEnforcement);
}

}  // namespace
}  // namespace egress::server
