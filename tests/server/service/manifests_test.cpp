#include "server/service/manifests.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/service/egress_policy.h"
#include "server/service/explanations.h"
#include "server/service/manifest_listing.h"
#include "server/service/namespaces.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kGateway =
    "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: g}\n"
    "spec: {listeners: [{name: tcp, protocol: TCP}]}\n---\n";
constexpr const char* kRoute =
    "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\nmetadata: {name: r}\n"
    "spec: {parentRefs: [{name: g}], rules: [{matches: [{destinationHostnames: [a.example]}]}]}\n---\n";
constexpr const char* kTest =
    "apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t}\n"
    "spec: {namespace: default, allow: ['a.example:443/tcp'], deny: ['b.example:443/tcp']}\n---\n";

class ManifestsTest : public ServiceTest {
 protected:
  ManifestsTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  Result<ManifestResult> apply(const std::string& text, bool force = false) {
    ManifestPut put;
    put.text = text;
    put.force = force;
    put.actor = admin("me");
    return manifests_.apply(put);
  }
  std::vector<std::string> results_of(const std::string& text) {
    const auto done = apply(text);
    if (!done) return {done.error().code + ": " + done.error().message};
    std::vector<std::string> results;
    for (const AppliedDocument& document : done->applied)
      results.push_back(document.kind + " " + std::string(name_of(document.result)));
    return results;
  }
  std::uint64_t revision() {
    return store_->read([](Reader& reader) { return reader.revision(); }).value();
  }
  Result<Explanations::Answer> ask(const std::string& path, const std::string& name, Transport transport) {
    Workload workload;
    workload.namespace_path = path;
    ExplainQuestion question;
    question.name = name;
    question.port = 443;
    question.transport = transport;
    return explanations_.ask(workload, question);
  }
  Verdict verdict(const std::string& path, const std::string& name, Transport transport = Transport::kTcp) {
    return ask(path, name, transport).value().explanation.decision.verdict;
  }

  StoredDocuments documents_;
  Namespaces namespaces_{*store_, clock_, observer_};
  EgressPolicy egress_{*store_, clock_, observer_};
  Manifests manifests_{*store_, clock_, observer_, documents_};
  ManifestListing listing_{*store_};
  Explanations explanations_{*store_, clock_, documents_, {}};
};

TEST_F(ManifestsTest, ApplyingTwiceChangesOnce) {
  const std::uint64_t before = revision();
  EXPECT_THAT(results_of(std::string(kGateway) + kRoute),
              ElementsAre("EgressGateway created", "EgressL4Route created"));
  EXPECT_EQ(revision(), before + 1);
  ASSERT_EQ(observer_.changes.size(), 1U);
  EXPECT_EQ(observer_.changes.back().revision, before + 1);
  EXPECT_EQ(observer_.changes.back().subtree, std::nullopt);
  const std::size_t rows = audit_rows().size();
  EXPECT_THAT(results_of(std::string("# moved\n---\n") + kRoute + kGateway),
              ElementsAre("EgressL4Route unchanged", "EgressGateway unchanged"));
  EXPECT_EQ(revision(), before + 1);
  EXPECT_EQ(observer_.changes.size(), 1U);
  EXPECT_EQ(audit_rows().size(), rows);
}

TEST_F(ManifestsTest, ARefusalLeavesNoTraceInTheCacheOfDocuments) {
  ASSERT_TRUE(apply(std::string(kGateway) + kRoute));
  const std::string breaking =
      "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: g}\n"
      "spec: {defaultPolicy: allow-all, listeners: [{name: udp, protocol: UDP}]}\n";
  ASSERT_TRUE(apply(kTest));
  ASSERT_FALSE(apply(breaking)) << "b.example would be allowed";
  EXPECT_EQ(verdict("default", "b.example"), Verdict::kDeny);
  ASSERT_TRUE(apply(breaking, true));
  EXPECT_EQ(verdict("default", "b.example"), Verdict::kAllow);
}

TEST_F(ManifestsTest, TestsSeeWhatTheSameManifestWrites) {
  const std::string namespace_document =
      "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: default}\nspec: {allowed_domains: [a.example], mode: "
      "shadow}\n---\n";
  EXPECT_EQ(apply(kTest).error().code, "policy_tests_failed");
  EXPECT_THAT(results_of(std::string(kTest) + namespace_document),
              ElementsAre("PolicyTest created", "Namespace changed"))
      << "judged as enforced, although the namespace is in shadow";
  const auto refused = apply(
      "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: block, reason: x}\n");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().fields->dump(), HasSubstr(R"("rule":"block a.example")"));
  EXPECT_TRUE(egress_.list()->empty());
}

TEST_F(ManifestsTest, TestsAskAsARegisteredWorkload) {
  EXPECT_TRUE(apply(std::string(kTest) + "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\n"
                                         "spec: {action: allow, require_auth: true}\n"));
  const auto answer = ask("default", "a.example", Transport::kTcp);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->explanation.decision.reason, DenyReason::kAuthRequired);
}

TEST_F(ManifestsTest, ExpiredEntriesAreAcceptedWithAWarning) {
  const auto done = apply(
      "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\n"
      "spec: {action: allow, expires_at: 2001-01-01T00:00:00Z}\n");
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(done->warnings.size(), 1U);
  EXPECT_EQ(done->warnings[0].path, "spec.expires_at");
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kDeny);
}

TEST_F(ManifestsTest, LinesCountFromTheDocumentsOwnStart) {
  const std::string policy =
      "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: p}\nspec:\n"
      "  network:\n    outgoing:\n      allow:\n        - hostname: '^a[.]example$'\n";
  ASSERT_TRUE(apply(std::string(kGateway) + "\n\n" + policy));
  const auto answer = ask("default", "a.example", Transport::kTcp);
  ASSERT_TRUE(answer);
  const auto& votes = answer->explanation.votes;
  const auto vote =
      std::find_if(votes.begin(), votes.end(), [](const auto& v) { return v.layer == "mirrord:default/p"; });
  ASSERT_NE(vote, votes.end());
  EXPECT_EQ(vote->document, "MirrordPolicy default/p");
  EXPECT_EQ(vote->line, 8U);
  const auto page = listing_.list(admin("me"), {"MirrordPolicy", {}, {}}, "", 10, kMaxPageBytes);
  ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(page->items[0].source, policy);
  EXPECT_EQ(page->items[0].line, 8) << "four lines of the gateway with its marker, two blank ones";
}

TEST_F(ManifestsTest, ExplanationsFollowEveryChange) {
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kDeny);
  EXPECT_EQ(ask("default", "a.example", Transport::kTcp)->revision, revision());
  NamespacePut put;
  put.path = "default";
  put.actor = admin("me");
  put.allowed = change_to(entries({"a.example"}));
  ASSERT_TRUE(namespaces_.put(put));
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kAllow);
  ASSERT_TRUE(apply(kGateway));
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kDeny);
  ASSERT_TRUE(apply(kRoute));
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kAllow);
  EXPECT_EQ(verdict("default", "a.example", Transport::kUdp), Verdict::kDeny);
  EXPECT_FALSE(ask("default/below", "a.example", Transport::kTcp)->namespace_exists);
  EXPECT_TRUE(ask("default", "a.example", Transport::kTcp)->namespace_exists);
  ASSERT_TRUE(manifests_.remove({"EgressL4Route", "", "r", false, false, admin("me")}));
  EXPECT_EQ(verdict("default", "a.example"), Verdict::kDeny);
}

TEST_F(ManifestsTest, WorkloadsThatDifferAreLinkedApart) {
  ASSERT_TRUE(
      apply("apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordClusterPolicy\nmetadata: {name: p}\n"
            "spec: {selector: {matchLabels: {a: b}}, network: {outgoing: {allow: [{hostname: example}]}}}\n"));
  const auto verdict_for = [&](std::map<std::string, std::string> labels, std::string target) {
    Workload workload;
    workload.namespace_path = "default";
    workload.labels = std::move(labels);
    workload.target = std::move(target);
    ExplainQuestion question;
    question.name = "a.example";
    question.port = 1;
    return explanations_.ask(workload, question).value().explanation.decision.verdict;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(verdict_for({{"a", "b"}}, ""), Verdict::kAllow);
    EXPECT_EQ(verdict_for({}, ""), Verdict::kDeny);
    EXPECT_EQ(verdict_for({}, "1:a1:b"), Verdict::kDeny) << "a target that looks like the labels";
    for (int i = 0; i < 10; ++i) EXPECT_EQ(verdict_for({{"n", std::to_string(i)}}, ""), Verdict::kDeny);
  }
}

TEST_F(ManifestsTest, AStoredDocumentThatCannotBeReadIsReported) {
  DocumentRecord record;
  record.kind = "EgressGateway";
  record.namespace_path = "/";
  record.name = "g";
  record.source = "kind: Nothing\n";
  const auto written = store_->write([&](Writer& writer) -> Result<void> {
    writer.put_document(record);
    writer.touch_documents(writer.bump_revision(1, "me", "x"));
    return {};
  });
  ASSERT_TRUE(written);
  const auto refused = apply(kRoute);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("EgressGateway /g"));
}

TEST_F(ManifestsTest, PagesEndAtTheirBoundsAndCoverEverythingOnce) {
  ASSERT_TRUE(apply(std::string(kGateway) + kRoute + kTest, true));
  const auto names_by = [&](std::size_t limit, std::size_t max_bytes, std::size_t& pages) {
    std::vector<std::string> names;
    std::optional<std::string> after = "";
    for (pages = 0; after; ++pages) {
      const auto page = listing_.list(admin("me"), {}, *after, limit, max_bytes);
      for (const ListedDocument& item : page->items) names.push_back(item.name);
      after = page->next_after;
    }
    return names;
  };
  std::size_t pages = 0;
  EXPECT_THAT(names_by(100, kMaxPageBytes, pages), ElementsAre("g", "r", "/", "default", "t"));
  EXPECT_EQ(pages, 1U);
  EXPECT_THAT(names_by(2, kMaxPageBytes, pages), ElementsAre("g", "r", "/", "default", "t"));
  EXPECT_EQ(pages, 3U);
  EXPECT_THAT(names_by(100, 1, pages), ElementsAre("g", "r", "/", "default", "t"));
  EXPECT_EQ(pages, 5U) << "one document is always let through";
}

TEST_F(ManifestsTest, ADocumentWrittenOutReadsBackAsItself) {
  NamespacePut put;
  put.path = "prod";
  put.actor = admin("me");
  put.description = change_to<std::string>("quotes \" and\nlines: [x] # no comment");
  std::vector<DomainEntry> allowed = entries({"a.example", "**.b.example", "10.0.0.0/8", "2001:db8::1"});
  allowed[0].reason = "no";
  allowed[1].expires_at_ms = clock_.now_ms() + 60'000;
  put.allowed = change_to(allowed);
  put.blocked = change_to(entries({"c.example"}));
  put.mode = change_to(Mode::kShadow);
  put.loopback = change_to(LoopbackMode::kEnforce);
  put.lookups = change_to(LookupMode::kListed);
  ASSERT_TRUE(namespaces_.put(put));
  NamespacePut root;
  root.path = "/";
  root.actor = admin("me");
  root.default_action = change_to(Action::kAllow);
  ASSERT_TRUE(namespaces_.put(root));
  EgressPolicy::Put entry;
  entry.actor = admin("me");
  entry.pattern = parse_host_pattern("*.d.example").value().pattern;
  entry.reason = change_to<std::string>("true");
  entry.require_auth = change_to(true);
  ASSERT_TRUE(egress_.put(entry));
  const auto page = listing_.list(admin("me"), {}, "", 100, kMaxPageBytes);
  ASSERT_EQ(page->items.size(), 4U);
  for (const ListedDocument& item : page->items) {
    EXPECT_THAT(results_of(item.source), ElementsAre(item.kind + " unchanged")) << item.source;
  }
}

}  // namespace
}  // namespace egress::server
