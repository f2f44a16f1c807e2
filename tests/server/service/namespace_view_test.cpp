#include "server/service/namespace_view.h"

#include <gmock/gmock.h>

#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class NamespaceViewTest : public PolicyTestBase {
 protected:
  std::vector<std::string> intersection(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    std::vector<std::string> texts;
    for (const DomainEntry& entry : intersect(entries(a), entries(b), clock_.now_ms())) {
      texts.push_back(format_host_pattern(entry.pattern));
    }
    return texts;
  }
};

TEST_F(NamespaceViewTest, TheIntersectionHasTheNarrowerOfEachPair) {
  EXPECT_THAT(intersection({"a.example", "*.b.example", "10.0.0.0/8"}, {"**.example", "10.1.0.0/16", "x.other"}),
              ElementsAre("a.example", "*.b.example", "10.1.0.0/16"));
  EXPECT_THAT(intersection({"**.example"}, {"a.example", "**.x.example"}), ElementsAre("a.example", "**.x.example"));
  EXPECT_THAT(intersection({"a.example"}, {"a.example"}), ElementsAre("a.example"));
  EXPECT_THAT(intersection({"a.example"}, {"b.example"}), IsEmpty());
}

TEST_F(NamespaceViewTest, TheWholeChainDecidesWhatIsEffective) {
  given("/", {"**.example", "api.other"});
  given("org", {"a.example", "b.example", "c.example"});
  given_bare("org/mid");
  auto leaf = allowing("org/mid/leaf", {"a.example", "c.example"});
  leaf.blocked = change_to(entries({"x.leaf"}));
  ASSERT_TRUE(namespaces_.put(leaf));
  auto mid = naming("org/mid", admin("me"));
  mid.blocked = change_to(entries({"c.example"}));
  ASSERT_TRUE(namespaces_.put(mid));
  const auto detail = namespaces_.describe("org/mid/leaf");
  EXPECT_THAT(detail->effective_allowed, Optional(ElementsAre("a.example")));
  EXPECT_THAT(detail->effective_blocked, ElementsAre("c.example", "x.leaf"));
  EXPECT_THAT(namespaces_.describe("org/mid")->effective_allowed, Optional(ElementsAre("a.example", "b.example")));
}

TEST_F(NamespaceViewTest, WithoutAnyListNothingIsSaidAndWithAnEmptyOneNothingIsLetThrough) {
  given_bare("prod");
  EXPECT_EQ(namespaces_.describe("prod")->effective_allowed, std::nullopt);
  given("prod", {});
  EXPECT_THAT(namespaces_.describe("prod")->effective_allowed, Optional(IsEmpty()));
  EXPECT_EQ(namespaces_.describe("nope").error().code, "namespace_unknown");
}

TEST_F(NamespaceViewTest, SaysWhomItBreaksAndByWhomItIsBroken) {
  given("prod", {"a.example", "b.example"});
  given("prod/x", {"a.example", "b.example"});
  auto narrow = allowing("prod", {"a.example"});
  narrow.force = true;
  ASSERT_TRUE(namespaces_.put(narrow));
  sessions_.live = {{"prod", 1}, {"prod/x", 2}};
  const auto parent = namespaces_.describe("prod");
  ASSERT_EQ(parent->broken_children.size(), 1U);
  EXPECT_EQ(parent->broken_children[0].child, "prod/x");
  EXPECT_THAT(parent->broken_children[0].domains, ElementsAre("b.example"));
  EXPECT_THAT(parent->view.broken, IsEmpty());
  EXPECT_EQ(parent->live_sessions, 3U);
  const auto child = namespaces_.describe("prod/x");
  ASSERT_EQ(child->view.broken.size(), 1U);
  EXPECT_EQ(child->view.broken[0].ancestor, "prod");
  EXPECT_THAT(child->effective_allowed, Optional(ElementsAre("a.example"))) << "what is broken is not let through";
}

TEST_F(NamespaceViewTest, WorkloadsAndSessionsKeepANamespace) {
  given("prod", {"a.example"});
  sessions_.live = {{"prod", 2}};
  const auto live = namespaces_.remove({"prod", false, false, admin("me")});
  ASSERT_FALSE(live);
  EXPECT_EQ(live.error().code, "namespace_in_use");
  EXPECT_EQ(fields_of(live.error()), R"({"namespace":"prod","live_sessions":2})");
  sessions_.live.clear();
  const auto registered = store_->write([](Writer& writer) -> Result<void> {
    writer.put_workload({"prod", "web", {}, "", "t", "me", 1, 1});
    writer.put_workload({"prod/x", "other", {}, "", "t", "me", 1, 1});
    return {};
  });
  ASSERT_TRUE(registered);
  const auto in_use = namespaces_.remove({"prod", false, false, admin("me")});
  EXPECT_EQ(fields_of(in_use.error()), R"({"namespace":"prod","workloads":["web"]})");
  sessions_.live = {{"prod", 2}};
  EXPECT_EQ(namespaces_.remove({"prod", true, false, admin("me")}), std::size_t{2});
}

TEST_F(NamespaceViewTest, AQuarantineSaysHowManySessionsAreLive) {
  given("prod", {"a.example"});
  sessions_.live = {{"prod", 2}, {"prod/x", 1}, {"production", 9}};
  EXPECT_EQ(namespaces_.put(allowing("prod", {}))->live_sessions, 3U);
  EXPECT_EQ(namespaces_.put(allowing("prod", {"a.example"}))->live_sessions, std::nullopt);
}

}  // namespace
}  // namespace egress::server
