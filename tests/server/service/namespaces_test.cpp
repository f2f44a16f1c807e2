#include "server/service/namespaces.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/service/server_mode.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Domains = std::vector<std::string>;

class NamespacesTest : public ServiceTest {
 protected:
  NamespacesTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  static NamespacePut naming(const std::string& path) {
    NamespacePut put;
    put.path = path;
    put.actor = admin("me");
    return put;
  }
  NamespacePut allowing(const std::string& path, const Domains& domains) {
    NamespacePut put = naming(path);
    put.allowed = change_to(entries(domains));
    return put;
  }
  void given(const std::string& path, const Domains& domains) {
    const auto done = namespaces_.put(allowing(path, domains));
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string fields_of(const Refusal& refusal) { return refusal.fields ? refusal.fields->dump() : ""; }

  Namespaces namespaces_{*store_, clock_, observer_};
};

TEST_F(NamespacesTest, TheFirstStartMakesRootAndDefaultOnce) {
  const auto page = namespaces_.list(admin("me"), "", 10);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].record.path, "/");
  EXPECT_EQ(page->items[1].record.path, "default");
  ASSERT_TRUE(namespaces_.remove({"default", false, false, admin("me")}));
  ASSERT_TRUE(namespaces_.ensure_initial());
  EXPECT_EQ(namespaces_.list(admin("me"), "", 10)->items.size(), 1U) << "what was deleted stays deleted";
}

TEST_F(NamespacesTest, AChildMayNarrowButNotWiden) {
  given("prod/payments", {"api.stripe.com", "api.bank.eu"});
  given("prod/payments/eu-west", {"api.bank.eu"});
  const auto widened =
      namespaces_.put(allowing("prod/payments/eu-west", {"api.stripe.com", "api.bank.eu", "api.foo.com"}));
  ASSERT_FALSE(widened);
  EXPECT_EQ(widened.error().code, "child_widens_parent");
  EXPECT_EQ(widened.error().message, "domain api.foo.com is not covered by ancestor prod/payments");
  EXPECT_EQ(fields_of(widened.error()),
            R"({"namespace":"prod/payments/eu-west","domain":"api.foo.com","ancestor":"prod/payments"})");
  EXPECT_EQ(namespaces_.get("prod/payments/eu-west")->record.allowed, entries({"api.bank.eu"}));
}

TEST_F(NamespacesTest, WideningIsNeverForced) {
  given("prod", {"a.example"});
  auto put = allowing("prod/x", {"b.example"});
  put.force = true;
  EXPECT_EQ(namespaces_.put(put).error().code, "child_widens_parent");
}

TEST_F(NamespacesTest, EveryDefiningAncestorCounts) {
  given("/", {"a.example"});
  given("prod/x", {"a.example"});
  const auto widened = namespaces_.put(allowing("prod/x/y", {"b.example"}));
  EXPECT_THAT(fields_of(widened.error()), HasSubstr(R"("ancestor":"prod/x")")) << "the nearest is named";
  ASSERT_TRUE(namespaces_.put(naming("prod/null")));
  EXPECT_THAT(fields_of(namespaces_.put(allowing("prod/null/z", {"b.example"})).error()),
              HasSubstr(R"("ancestor":"/")"));
}

TEST_F(NamespacesTest, WildcardsAndCidrsCover) {
  given("prod", {"*.example.com", "10.0.0.0/8"});
  EXPECT_TRUE(namespaces_.put(allowing("prod/a", {"x.example.com", "10.1.0.0/16"})));
  EXPECT_EQ(namespaces_.put(allowing("prod/b", {"y.x.example.com"})).error().code, "child_widens_parent");
}

TEST_F(NamespacesTest, NarrowingAParentBelowItsChildrenIsRefusedUnlessForced) {
  given("prod/payments", {"api.stripe.com", "api.bank.eu"});
  given("prod/payments/eu-west", {"api.bank.eu"});
  const std::size_t changes = observer_.changes.size();
  const auto refused = namespaces_.put(allowing("prod/payments", {}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "cascade_violations");
  EXPECT_EQ(refused.error().message, "");
  EXPECT_EQ(fields_of(refused.error()),
            R"({"cascade_warnings":[{"child":"prod/payments/eu-west","uncovered_domains":["api.bank.eu"]}]})");
  EXPECT_EQ(namespaces_.get("prod/payments")->record.allowed->size(), 2U);
  EXPECT_EQ(observer_.changes.size(), changes);

  auto forced = allowing("prod/payments", {});
  forced.force = true;
  const auto done = namespaces_.put(forced);
  ASSERT_TRUE(done);
  ASSERT_EQ(done->cascade_warnings.size(), 1U);
  const auto child = namespaces_.get("prod/payments/eu-west");
  ASSERT_EQ(child->broken.size(), 1U);
  EXPECT_EQ(child->broken[0].ancestor, "prod/payments");
  EXPECT_THAT(child->broken[0].domains, ElementsAre("api.bank.eu"));
  EXPECT_THAT(audit_rows().front().detail, HasSubstr(R"("cascade_warnings":[{"child":"prod/payments/eu-west")"));
}

TEST_F(NamespacesTest, TheAuditNamesAThousandBrokenChildrenAndHowManyThereAre) {
  given("prod", {"a.example"});
  for (int i = 0; i < 1001; ++i) given("prod/n" + std::to_string(i), {"a.example"});
  auto forced = allowing("prod", {});
  forced.force = true;
  EXPECT_EQ(namespaces_.put(forced)->cascade_warnings.size(), 1001U);
  const auto detail = nlohmann::json::parse(audit_rows().front().detail);
  EXPECT_EQ(detail.at("cascade_warnings").size(), 1000U);
  EXPECT_EQ(detail.at("cascade_warnings_in_all"), 1001);
}

TEST_F(NamespacesTest, ABrokenChildCanStillBeEdited) {
  given("prod", {"a.example", "b.example"});
  given("prod/x", {"a.example", "b.example"});
  auto forced = allowing("prod", {"a.example"});
  forced.force = true;
  ASSERT_TRUE(namespaces_.put(forced));
  auto described = naming("prod/x");
  described.description = change_to<std::string>("being mended");
  EXPECT_TRUE(namespaces_.put(described));
  EXPECT_TRUE(namespaces_.put(allowing("prod/x", {"b.example"}))) << "removing entries is always allowed";
  EXPECT_FALSE(namespaces_.put(allowing("prod/x", {"b.example", "c.example"})));
  EXPECT_TRUE(namespaces_.put(allowing("prod/x", {"a.example"})));
  EXPECT_TRUE(namespaces_.get("prod/x")->broken.empty());
}

TEST_F(NamespacesTest, CreatingAnAncestorAboveChildrenIsACascadeToo) {
  given("prod/x", {"a.example"});
  EXPECT_EQ(namespaces_.put(allowing("prod", {"b.example"})).error().code, "cascade_violations");
  EXPECT_TRUE(namespaces_.put(allowing("prod", {"a.example", "b.example"})));
}

TEST_F(NamespacesTest, AnExpiredEntryIsAddedAgainWhenItComesBack) {
  given("prod", {"a.example"});
  auto put = naming("prod/x");
  DomainEntry entry_with_expiry = entry("a.example");
  entry_with_expiry.expires_at_ms = clock_.now_ms() + 1000;
  put.allowed = change_to(std::vector{entry_with_expiry});
  ASSERT_TRUE(namespaces_.put(put));
  clock_.advance_ms(2000);
  auto forced = allowing("prod", {"b.example"});
  ASSERT_TRUE(namespaces_.put(forced)) << "an expired entry holds nobody back";
  EXPECT_EQ(namespaces_.put(allowing("prod/x", {"a.example"})).error().code, "child_widens_parent");
}

TEST_F(NamespacesTest, AnAbsentFieldKeepsItsValueAndNullResetsIt) {
  auto put = allowing("prod", {"a.example"});
  put.description = change_to<std::string>("d");
  put.mode = change_to(Mode::kShadow);
  put.blocked = change_to(entries({"b.example"}));
  ASSERT_TRUE(namespaces_.put(put));
  const auto kept = namespaces_.put(naming("prod"))->view.record;
  EXPECT_EQ(kept.description, "d");
  EXPECT_EQ(kept.mode, Mode::kShadow);
  EXPECT_EQ(kept.allowed, entries({"a.example"}));
  auto reset = naming("prod");
  reset.description.present = reset.mode.present = reset.allowed.present = reset.blocked.present = true;
  const auto gone = namespaces_.put(reset)->view.record;
  EXPECT_EQ(gone.description, "");
  EXPECT_EQ(gone.mode, std::nullopt);
  EXPECT_EQ(gone.allowed, std::nullopt);
  EXPECT_TRUE(gone.blocked.empty());
}

TEST_F(NamespacesTest, SettingsAreInheritedFromTheNearestThatSetsThem) {
  auto prod = naming("prod");
  prod.mode = change_to(Mode::kShadow);
  prod.loopback = change_to(LoopbackMode::kEnforce);
  ASSERT_TRUE(namespaces_.put(prod));
  auto leaf = naming("prod/missing/leaf");
  leaf.mode = change_to(Mode::kDiscovery);
  const auto view = namespaces_.put(leaf)->view;
  EXPECT_FALSE(view.parent_exists);
  EXPECT_EQ(view.effective.mode, Mode::kDiscovery);
  EXPECT_EQ(view.effective.loopback, LoopbackMode::kEnforce);
  EXPECT_EQ(view.effective.lookups, LookupMode::kResolvable);
  ServerMode mode(*store_, clock_, observer_);
  ASSERT_TRUE(mode.set(Mode::kDiscovery, admin("me")));
  EXPECT_EQ(namespaces_.get("default")->effective.mode, Mode::kDiscovery);
  EXPECT_EQ(audit_rows().front().event, "mode_changed");
}

TEST_F(NamespacesTest, OnlyTheRootHasADefaultAction) {
  auto root = naming("/");
  root.default_action = change_to(Action::kAllow);
  EXPECT_EQ(namespaces_.put(root)->view.record.default_action, Action::kAllow);
  auto prod = naming("prod");
  prod.default_action = change_to(Action::kAllow);
  EXPECT_EQ(namespaces_.put(prod).error().code, "invalid_field");
  EXPECT_FALSE(namespaces_.get("prod"));
}

TEST_F(NamespacesTest, ADryRunValidatesAndChangesNothing) {
  const std::size_t rows = audit_rows().size();
  const std::size_t changes = observer_.changes.size();
  auto put = allowing("prod", {"a.example"});
  put.dry_run = true;
  EXPECT_TRUE(namespaces_.put(put)->created);
  EXPECT_EQ(namespaces_.get("prod").error().code, "namespace_unknown");
  EXPECT_TRUE(namespaces_.remove({"default", false, true, admin("me")}));
  EXPECT_TRUE(namespaces_.get("default"));
  EXPECT_EQ(audit_rows().size(), rows);
  EXPECT_EQ(observer_.changes.size(), changes);
}

TEST_F(NamespacesTest, DeletionProtectsTheRootAndWhatIsInUse) {
  given("prod", {"a.example"});
  given("prod/x", {"a.example"});
  EXPECT_EQ(namespaces_.remove({"/", true, false, admin("me")}).error().code, "root_undeletable");
  EXPECT_EQ(namespaces_.remove({"nope", false, false, admin("me")}).error().code, "namespace_unknown");
  const auto in_use = namespaces_.remove({"prod", false, false, admin("me")});
  ASSERT_FALSE(in_use);
  EXPECT_EQ(in_use.error().code, "namespace_in_use");
  EXPECT_EQ(fields_of(in_use.error()), R"({"namespace":"prod","descendants":["prod/x"]})");
  EXPECT_TRUE(namespaces_.remove({"prod", true, false, admin("me")}));
  EXPECT_EQ(audit_rows().front().event, "namespace_deleted");
  EXPECT_EQ(observer_.changes.back().subtree, "prod");
  EXPECT_TRUE(namespaces_.get("prod/x"));
}

TEST_F(NamespacesTest, PagesCoverEverythingOnce) {
  for (const char* path : {"a", "b", "c", "d"}) ASSERT_TRUE(namespaces_.put(naming(path)));
  Domains seen;
  std::string after;
  while (true) {
    const auto page = namespaces_.list(admin("me"), after, 2);
    ASSERT_TRUE(page);
    for (const auto& item : page->items) seen.push_back(item.record.path);
    if (!page->next_after) break;
    after = *page->next_after;
  }
  EXPECT_THAT(seen, ElementsAre("/", "a", "b", "c", "d", "default"));
}

}  // namespace
}  // namespace egress::server
