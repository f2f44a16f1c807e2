#include "server/distribution/distribution.h"

#include <gmock/gmock.h>

#include "server/service/egress_policy.h"
#include "server/service/manifests.h"
#include "server/service/namespaces.h"
#include "shared/compile/compiled_layer.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;

class DistributionTest : public ServiceTest {
 protected:
  DistributionTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  void allow(const std::string& path, const std::vector<std::string>& domains) {
    NamespacePut put;
    put.actor = admin("me");
    put.path = path;
    put.allowed = change_to(entries(domains));
    put.force = true;
    const auto done = namespaces_.put(put);
    ASSERT_TRUE(done) << done.error().message;
  }
  void describe(const std::string& path, const std::string& description) {
    NamespacePut put;
    put.actor = admin("me");
    put.path = path;
    put.description = change_to(description);
    ASSERT_TRUE(namespaces_.put(put));
  }
  void block_everywhere(const std::string& domain) {
    EgressPolicy::Put put;
    put.actor = admin("me");
    put.action = Action::kDeny;
    put.pattern = parse_host_pattern(domain).value().pattern;
    ASSERT_TRUE(egress_.put(put));
  }
  void apply(const std::string& manifest) {
    ManifestPut put;
    put.actor = admin("me");
    put.text = manifest;
    const auto done = manifests_.apply(put);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::vector<std::string> stack_of(const std::string& path) {
    std::vector<std::string> ids;
    const auto stack = distribution_.current(path);
    if (stack) {
      for (const LayerRef& layer : (*stack)->manifest.stack) ids.push_back(layer.id);
    }
    return ids;
  }
  std::string tag_of(const std::string& path) { return distribution_.current(path).value()->tag; }

  const SigningKey key_ = SigningKey::generate();
  StoredDocuments documents_;
  Distribution distribution_{*store_, clock_, key_, documents_};
  Namespaces namespaces_{*store_, clock_, distribution_};
  EgressPolicy egress_{*store_, clock_, distribution_};
  Manifests manifests_{*store_, clock_, distribution_, documents_};
};

TEST_F(DistributionTest, TheStackIsTheGlobalTableThenLeafToRootWithoutMissingAncestors) {
  allow("prod/payments/eu", {"a.example"});
  allow("prod", {"a.example"});
  EXPECT_THAT(stack_of("prod/payments/eu"),
              ElementsAre("egress", "namespace:prod/payments/eu", "namespace:prod", "namespace:/"));
  EXPECT_THAT(stack_of("/"), ElementsAre("egress", "namespace:/"));
}

TEST_F(DistributionTest, DocumentsJoinTheStackBehindTheNamespaces) {
  allow("prod/a", {"a.example"});
  const std::string before = tag_of("prod/a");
  const std::string elsewhere = tag_of("default");
  apply(
      "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: g, namespace: prod}\n"
      "spec: {listeners: [{name: tcp, protocol: TCP}]}\n---\n"
      "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\n"
      "metadata: {name: p, namespace: prod/a}\nspec: {network: {outgoing: {block: [{ports: [{port: 22}]}]}}}\n");
  EXPECT_THAT(stack_of("prod/a"),
              ElementsAre("egress", "namespace:prod/a", "namespace:/", "mirrord:prod/a/p", "gateway:prod"));
  EXPECT_NE(tag_of("prod/a"), before);
  EXPECT_EQ(tag_of("default"), elsewhere) << "no document is attached above it";
}

TEST_F(DistributionTest, ADocumentThatChangesWakesThoseWhoseStackItIsIn) {
  allow("prod", {"a.example"});
  int woken = 0;
  int others = 0;
  auto subscription = distribution_.subscribe("prod", [&] { ++woken; });
  subscription.hold(tag_of("prod"));
  auto other = distribution_.subscribe("default", [&] { ++others; });
  other.hold(tag_of("default"));
  apply(
      "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: g, namespace: prod}\n"
      "spec: {listeners: [{name: tcp, protocol: TCP}]}\n");
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(others, 0);
}

TEST_F(DistributionTest, ASessionIsWhoHoldsAPoll) {
  allow("prod", {"a.example"});
  EXPECT_EQ(distribution_.sessions_below("/"), 0U);
  const auto first = distribution_.subscribe("prod", [] {});
  {
    const auto second = distribution_.subscribe("prod/x", [] {});
    const auto beside = distribution_.subscribe("production", [] {});
    EXPECT_EQ(distribution_.sessions_in("prod"), 1U);
    EXPECT_EQ(distribution_.sessions_below("prod"), 2U);
    EXPECT_EQ(distribution_.sessions_below("/"), 3U);
    EXPECT_EQ(distribution_.sessions_in("/"), 0U);
  }
  EXPECT_EQ(distribution_.sessions_below("prod"), 1U);
}

TEST_F(DistributionTest, TheManifestIsSignedAndItsLayersAreFetchableByHash) {
  allow("prod", {"a.example"});
  const auto stack = distribution_.current("prod").value();
  const auto envelope = parse_signed_manifest(distribution_.sign_for(*stack, {"web"}));
  ASSERT_TRUE(envelope) << envelope.error().message;
  EXPECT_EQ(envelope->key, key_.public_key());
  const auto manifest = parse_manifest(envelope->manifest_json);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->namespace_path, "prod");
  EXPECT_EQ(manifest->workload, "web");
  EXPECT_EQ(manifest->issued_at_ms, clock_.now_ms());
  EXPECT_EQ(content_tag(*manifest), distribution_.tag_for(*stack, {"web"}));
  EXPECT_NE(distribution_.tag_for(*stack, {"web"}), distribution_.tag_for(*stack, {"db"}));
  for (const LayerRef& reference : manifest->stack) {
    const auto layer = distribution_.fetch_layer(format_sha256(reference.hash));
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_EQ(layer->bytes.size(), reference.size_bytes);
    EXPECT_EQ(sha256(std::span<const std::byte>(layer->bytes)), reference.hash);
    const auto compiled = CompiledLayer::load(layer->bytes);
    ASSERT_TRUE(compiled) << compiled.error().message;
    EXPECT_EQ(compiled->id(), reference.id);
  }
}

TEST_F(DistributionTest, AnUnknownNamespaceHasNoBundleAndSaysWhatToDo) {
  const auto stack = distribution_.current("nope");
  ASSERT_FALSE(stack);
  EXPECT_EQ(stack.error().code, "namespace_unknown");
  EXPECT_THAT(stack.error().message, ::testing::HasSubstr("POST /api/fleet/namespaces"));
}

TEST_F(DistributionTest, TheTagFollowsContentNotRevision) {
  allow("prod", {"a.example"});
  const std::string before = tag_of("prod");
  describe("prod", "words only");
  allow("dev", {"x.example"});
  EXPECT_EQ(tag_of("prod"), before);
  allow("prod", {"b.example"});
  EXPECT_NE(tag_of("prod"), before);
  allow("prod", {"a.example"});
  EXPECT_EQ(tag_of("prod"), before);
}

TEST_F(DistributionTest, RevisionsOnlyRise) {
  allow("prod", {"a.example"});
  const auto before = distribution_.current("prod").value()->manifest.revision;
  allow("prod", {"b.example"});
  EXPECT_GT(distribution_.current("prod").value()->manifest.revision, before);
}

TEST_F(DistributionTest, AnOldLayerCanStillBeFetched) {
  allow("prod", {"a.example"});
  const auto old_stack = distribution_.current("prod").value();
  allow("prod", {"b.example"});
  ASSERT_NE(tag_of("prod"), old_stack->tag);
  for (const LayerRef& reference : old_stack->manifest.stack) {
    EXPECT_TRUE(distribution_.fetch_layer(format_sha256(reference.hash)));
  }
  EXPECT_EQ(distribution_.fetch_layer(std::string(64, '0')).error().code, "layer_unknown");
}

TEST_F(DistributionTest, AnotherServerOnTheSameStoreMakesTheSameTag) {
  allow("prod", {"a.example"});
  Distribution other(*store_, clock_, key_, documents_);
  EXPECT_EQ(other.current("prod").value()->tag, tag_of("prod"));
}

class WakingTest : public DistributionTest {
 protected:
  struct Waiting {
    int wakes = 0;
    Waiters::Subscription subscription;
  };

  // Subscribes and looks, as a long poll does.
  std::unique_ptr<Waiting> wait_for(const std::string& path) {
    auto waiting = std::make_unique<Waiting>();
    waiting->subscription = distribution_.subscribe(path, [&wakes = waiting->wakes] { ++wakes; });
    const auto stack = distribution_.current(path);
    if (stack) waiting->subscription.hold((*stack)->tag);
    return waiting;
  }
};

TEST_F(WakingTest, AWriteWakesOnlyThoseItConcerns) {
  allow("prod", {"a.example", "b.example"});
  allow("prod/x", {"a.example"});
  allow("dev", {"a.example"});
  const auto prod = wait_for("prod");
  const auto child = wait_for("prod/x");
  const auto dev = wait_for("dev");
  allow("prod", {"a.example"});
  EXPECT_EQ(prod->wakes, 1);
  EXPECT_EQ(child->wakes, 1) << "an ancestor's layer is in the stack";
  EXPECT_EQ(dev->wakes, 0);
  describe("dev", "words only");
  EXPECT_EQ(dev->wakes, 0) << "what does not change the stack wakes nobody";
  block_everywhere("evil.example");
  EXPECT_EQ(dev->wakes, 1);
}

TEST_F(WakingTest, DeletionWakesSoThatTheWaiterLearnsOfIt) {
  allow("prod", {"a.example"});
  const auto prod = wait_for("prod");
  ASSERT_TRUE(namespaces_.remove({"prod", false, false, admin("me")}));
  EXPECT_EQ(prod->wakes, 1);
  EXPECT_EQ(distribution_.current("prod").error().code, "namespace_unknown");
}

TEST_F(WakingTest, CreationOfAMissingAncestorWakesItsDescendants) {
  allow("prod/x", {"a.example"});
  const auto waiting = wait_for("prod/x");
  allow("prod", {"a.example"});
  EXPECT_EQ(waiting->wakes, 1);
  EXPECT_THAT(stack_of("prod/x"), ElementsAre("egress", "namespace:prod/x", "namespace:prod", "namespace:/"));
}

}  // namespace
}  // namespace egress::server
