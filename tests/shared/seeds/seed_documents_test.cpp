// The truth tables of policy.md section 9 over the documents of the seeds, read verbatim from the pages that hold them
// and taken the whole way: parsed, checked, assembled, compiled, linked, explained.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "shared/explain/explain.h"
#include "shared/manifest/parse.h"
#include "shared/manifest/references.h"
#include "shared/policy/assemble.h"
#include "shared/policy/destination.h"

namespace egress {
namespace {

using ::testing::IsEmpty;

// The fenced yaml blocks of a seed, in order; empty if the seeds are not beside this checkout.
std::vector<std::string> yaml_blocks(const char* seed) {
  std::vector<std::string> blocks;
  std::ifstream file(std::filesystem::path(EGRESS_SOURCE_DIR) / "../shared/seeds" / seed);
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "```yaml") {
      blocks.emplace_back();
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

std::string indent(const std::string& text, int spaces) {
  std::stringstream in(text);
  std::string result;
  for (std::string line; std::getline(in, line);)
    result += std::string(static_cast<std::size_t>(spaces), ' ') + line + "\n";
  return result;
}

LinkedStack link_documents(const std::string& yaml, Action default_action, const char* home = "default",
                           const Workload& workload = {}) {
  const ParsedManifest manifest = parse_manifest_documents(yaml);
  for (const Problem& problem : manifest.problems) ADD_FAILURE() << render_problem(problem, "seed", yaml);
  for (const Problem& problem : find_reference_problems(manifest.documents))
    ADD_FAILURE() << render_problem(problem, "seed", yaml);
  std::vector<CompiledLayer> compiled;
  for (const Layer& layer : assemble_stack(manifest.documents, home).layers) {
    compiled.push_back(CompiledLayer::load(compile_layer(layer)).value());
  }
  StackSettings settings;
  settings.default_action = default_action;
  return link_stack(std::move(compiled), settings, workload, 1 << 20).value();
}

struct Case {
  const char* destination;
  Verdict expected;
  const char* layer;
  const char* address = nullptr;  // where the name was resolved to
};

void check(const LinkedStack& stack, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    ExplainQuestion question = question_of(parse_destination(c.destination).value(), 0);
    if (!question.address) question.address = parse_address(c.address == nullptr ? "203.0.113.5" : c.address).value();
    const Explanation result = explain(stack, question).value();
    EXPECT_EQ(result.decision.verdict, c.expected) << c.destination;
    EXPECT_EQ(result.layer, c.layer) << c.destination;
  }
}

constexpr Verdict kAllow = Verdict::kAllow;
constexpr Verdict kDeny = Verdict::kDeny;

TEST(SeedDocumentsTest, MirrordPolicyVerbatim) {
  const auto blocks = yaml_blocks("000_b86a49d393cb6fbb.txt");
  if (blocks.empty()) GTEST_SKIP() << "the seeds are not beside this checkout";
  const char* const layer = "mirrord:default/block-mirroring-from-boats-deployment";
  check(link_documents(blocks[0], Action::kAllow), {
                                                       {"10.0.0.1:80/tcp", kAllow, layer},
                                                       {"10.0.0.1:443/tcp", kAllow, layer},
                                                       {"10.0.0.1:53/udp", kAllow, layer},
                                                       {"10.0.255.255:443/tcp", kAllow, layer},
                                                       {"10.0.0.0:443/tcp", kAllow, layer},
                                                       {"10.0.5.1:443/tcp", kDeny, layer},
                                                       {"10.0.5.0:80/tcp", kDeny, layer},
                                                       {"10.0.5.255:80/tcp", kDeny, layer},
                                                       {"10.0.4.255:80/tcp", kAllow, layer},
                                                       {"10.0.6.0:80/tcp", kAllow, layer},
                                                       {"10.0.0.1:81/tcp", kDeny, layer},
                                                       {"10.0.0.1:53/tcp", kDeny, layer},
                                                       {"10.0.0.1:443/udp", kDeny, layer},
                                                       {"10.0.0.1:80/udp", kDeny, layer},
                                                       {"10.1.0.1:443/tcp", kDeny, layer},
                                                       {"9.255.255.255:443/tcp", kDeny, layer},
                                                       {"10.0.0.1:22/tcp", kDeny, layer},
                                                       {"203.0.113.5:22/tcp", kDeny, layer},
                                                       {"metalbear.co:443/tcp", kAllow, layer},
                                                       {"metalbear.com:443/tcp", kAllow, layer},
                                                       {"metalbear.company:443/tcp", kDeny, layer},
                                                       {"xmetalbear.co:443/tcp", kDeny, layer},
                                                       {"www.metalbear.co:443/tcp", kDeny, layer},
                                                       {"metalbear.co:80/tcp", kDeny, layer},
                                                       {"metalbear.co:443/udp", kDeny, layer},
                                                       {"metalbear.co:22/tcp", kDeny, layer},
                                                       {"203.0.113.5:443/tcp", kDeny, layer},
                                                       {"[2001:db8::1]:443/tcp", kDeny, layer},
                                                       {"[::ffff:10.0.0.1]:443/tcp", kAllow, layer},
                                                       {"10.0.0.1/icmp", kDeny, layer},
                                                   });
}

// The page's four evaluation steps as four policies. Alone, with mirrord kinds only, the default action is allow.
TEST(SeedDocumentsTest, MirrordEvaluationSteps) {
  const auto policy = [](const std::string& outgoing) {
    return "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: p}\n"
           "spec: {network: {outgoing: " +
           outgoing + "}}\n";
  };
  check(link_documents(policy("{}"), Action::kAllow), {{"203.0.113.5:443/tcp", kAllow, "default"}});
  check(link_documents(policy("{allow: [], block: []}"), Action::kAllow), {{"203.0.113.5:443/tcp", kAllow, "default"}});
  const std::string allow = "allow: [{ipBlock: {cidr: 10.0.0.0/8}}]";
  check(link_documents(policy("{" + allow + "}"), Action::kAllow),
        {{"203.0.113.5:443/tcp", kDeny, "mirrord:default/p"}, {"10.0.0.1:443/tcp", kAllow, "mirrord:default/p"}});
  const std::string block = "block: [{ipBlock: {cidr: 10.0.5.0/24}}]";
  check(link_documents(policy("{" + allow + ", " + block + "}"), Action::kAllow),
        {{"10.0.5.1:443/tcp", kDeny, "mirrord:default/p"}, {"10.0.6.1:443/tcp", kAllow, "mirrord:default/p"}});
  check(link_documents(policy("{" + block + "}"), Action::kAllow),
        {{"10.0.5.1:443/tcp", kDeny, "mirrord:default/p"}, {"10.0.6.1:443/tcp", kAllow, "default"}});
}

TEST(SeedDocumentsTest, GatewayRecipeVerbatim) {
  const auto blocks = yaml_blocks("001_60bf7ef8e377e0e0.txt");
  if (blocks.empty()) GTEST_SKIP() << "the seeds are not beside this checkout";
  check(link_documents(blocks[0], Action::kDeny), {
                                                      {"api.anthropic.com:443/tcp", kAllow, "gateway:/"},
                                                      {"api.anthropic.com:80/tcp", kDeny, "gateway:/"},
                                                      {"api.anthropic.com:443/udp", kDeny, "gateway:/"},
                                                      {"pg.prod.internal:5432/tcp", kAllow, "gateway:/"},
                                                      {"pg.prod.internal:443/tcp", kDeny, "gateway:/"},
                                                      {"paste.example:443/tcp", kDeny, "gateway:/"},
                                                      {"x.api.anthropic.com:443/tcp", kDeny, "gateway:/"},
                                                      {"203.0.113.5:443/tcp", kDeny, "gateway:/"},
                                                  });
}

// The recipe's gateway with one of the page's lists of matches.
std::string route_of(const std::string& matches,
                     const std::string& gateway = "spec: {listeners: [{name: t, protocol: TCP}]}") {
  return "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: g}\n" + gateway +
         "\n---\n"
         "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\nmetadata: {name: r}\nspec:\n  parentRefs: [{name: "
         "g}]\n"
         "  rules:\n    - matches:\n" +
         indent(matches, 8);
}

TEST(SeedDocumentsTest, WildcardsAndRangesVerbatim) {
  const auto blocks = yaml_blocks("001_60bf7ef8e377e0e0.txt");
  if (blocks.empty()) GTEST_SKIP() << "the seeds are not beside this checkout";
  // One match: hosts and CIDRs are both needed.
  check(link_documents(route_of("- " + indent(blocks[1], 2).substr(2)), Action::kDeny),
        {
            {"api.openai.com:443/tcp", kAllow, "gateway:/", "10.20.1.1"},
            {"api.openai.com:443/tcp", kAllow, "gateway:/", "203.0.113.5"},
            {"api.openai.com:443/tcp", kDeny, "gateway:/", "203.0.113.6"},
            {"eu.azure.openai.com:443/tcp", kAllow, "gateway:/", "10.20.1.1"},
            {"a.eu.azure.openai.com:443/tcp", kDeny, "gateway:/", "10.20.1.1"},
            {"azure.openai.com:443/tcp", kDeny, "gateway:/", "10.20.1.1"},
            {"api.openai.com:7999/tcp", kDeny, "gateway:/", "10.20.1.1"},
            {"api.openai.com:8000/tcp", kAllow, "gateway:/", "10.20.1.1"},
            {"api.openai.com:8099/tcp", kAllow, "gateway:/", "10.20.1.1"},
            {"api.openai.com:8100/tcp", kDeny, "gateway:/", "10.20.1.1"},
            {"api.openai.com:443/udp", kDeny, "gateway:/", "10.20.1.1"},
            {"10.20.1.1:443/tcp", kDeny, "gateway:/"},
        });
}

TEST(SeedDocumentsTest, CannedAllowlistsVerbatim) {
  const auto blocks = yaml_blocks("001_60bf7ef8e377e0e0.txt");
  if (blocks.empty()) GTEST_SKIP() << "the seeds are not beside this checkout";
  ASSERT_EQ(blocks.size(), 5u);
  check(link_documents(route_of(blocks[2]), Action::kDeny),
        {{"api.anthropic.com:443/tcp", kAllow, "gateway:/"}, {"api.openai.com:443/tcp", kDeny, "gateway:/"}});
  check(link_documents(route_of(blocks[3]), Action::kDeny),
        {{"s3.us-east-1.amazonaws.com:443/tcp", kAllow, "gateway:/"},
         {"pg.prod.internal:5432/tcp", kAllow, "gateway:/"},
         {"pg.prod.internal:443/tcp", kDeny, "gateway:/"},
         {"s3.us-east-2.amazonaws.com:443/tcp", kDeny, "gateway:/"}});
  check(link_documents(route_of(blocks[4]), Action::kDeny),
        {{"a.svc.cluster.local:1/tcp", kAllow, "gateway:/"},
         {"b.a.svc.cluster.local:1/tcp", kDeny, "gateway:/"},
         {"10.255.0.1:65535/tcp", kAllow, "gateway:/"},
         {"10.255.0.1:65535/udp", kDeny, "gateway:/"},
         {"b.a.svc.cluster.local:1/tcp", kAllow, "gateway:/", "10.1.1.1"}});
}

TEST(SeedDocumentsTest, GatewaysOfANamespaceAreOneLayer) {
  const std::string two = route_of("- {destinationHostnames: [a.com]}") + "---\n" +
                          "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: h}\nspec: "
                          "{defaultPolicy: allow-all, listeners: [{name: t, protocol: TCP}]}\n---\n"
                          "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\nmetadata: {name: s}\nspec: "
                          "{parentRefs: [{name: h}], rules: [{matches: [{destinationHostnames: [b.com]}]}]}\n";
  check(link_documents(two, Action::kDeny), {{"a.com:1/tcp", kAllow, "gateway:/"},
                                             {"b.com:1/tcp", kAllow, "gateway:/"},
                                             {"c.com:1/tcp", kDeny, "gateway:/"}});
}

TEST(SeedDocumentsTest, AnOpenGatewayWithADenyPolicy) {
  const std::string open =
      "spec: {defaultPolicy: allow-all, listeners: [{name: w, protocol: HTTP, port: 80}, {name: t, protocol: TCP}]}";
  const std::string yaml = route_of("- {destinationHostnames: [paste.example]}", open) + "---\n" +
                           "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {name: d}\n"
                           "spec: {targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: r}, denyResponse: "
                           "{statusCode: 403, message: no}}\n";
  check(link_documents(yaml, Action::kDeny),
        {{"paste.example:443/tcp", kDeny, "gateway:/"}, {"other.example:443/tcp", kAllow, "gateway:/"}});
  const auto assembled = assemble_stack(parse_manifest_documents(yaml).documents, "default");
  ASSERT_EQ(assembled.responses.size(), 1u);
  EXPECT_EQ(assembled.responses.begin()->second.message, "no");
}

TEST(SeedDocumentsTest, ListenersCutRoutes) {
  const std::string yaml = route_of(
      "- {destinationHostnames: [a.com]}\n- {destinationHostnames: [b.com], ports: [{startPort: 1, endPort: 100}]}",
      "spec: {listeners: [{name: web, protocol: HTTP, port: 80}, {name: dns, protocol: UDP, port: 53}]}");
  check(link_documents(yaml, Action::kDeny), {{"a.com:80/tcp", kAllow, "gateway:/"},
                                              {"a.com:81/tcp", kDeny, "gateway:/"},
                                              {"a.com:53/udp", kAllow, "gateway:/"},
                                              {"a.com:80/udp", kDeny, "gateway:/"},
                                              {"b.com:80/tcp", kAllow, "gateway:/"},
                                              {"b.com:53/tcp", kDeny, "gateway:/"}});
}

TEST(SeedDocumentsTest, SourceAgentsSelectWorkloads) {
  const std::string yaml = route_of("- {destinationHostnames: [a.com], sourceAgents: {matchLabels: {team: pay}}}");
  Workload pay;
  pay.labels = {{"team", "pay"}};
  check(link_documents(yaml, Action::kDeny, "default", pay), {{"a.com:1/tcp", kAllow, "gateway:/"}});
  check(link_documents(yaml, Action::kDeny), {{"a.com:1/tcp", kDeny, "gateway:/"}});
}

TEST(SeedDocumentsTest, PoliciesApplyBelowTheirNamespaceAndToTheirWorkloads) {
  const std::string yaml =
      "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: p, namespace: prod}\n"
      "spec: {targetPath: deployment/*, network: {outgoing: {allow: [{hostname: ^a.com$}]}}}\n---\n"
      "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordClusterPolicy\nmetadata: {name: everywhere}\n"
      "spec: {network: {outgoing: {block: [{hostname: ^bad.com$}]}}}\n";
  Workload boats;
  boats.target = "deployment/boats";
  check(link_documents(yaml, Action::kAllow, "prod/payments", boats), {{"a.com:1/tcp", kAllow, "mirrord:prod/p"},
                                                                       {"b.com:1/tcp", kDeny, "mirrord:prod/p"},
                                                                       {"bad.com:1/tcp", kDeny, "mirrord:prod/p"}});
  check(link_documents(yaml, Action::kAllow, "prod/payments"),
        {{"b.com:1/tcp", kAllow, "default"}, {"bad.com:1/tcp", kDeny, "mirrord-cluster:everywhere"}});
  check(link_documents(yaml, Action::kAllow, "dev", boats), {{"b.com:1/tcp", kAllow, "default"}});
}

// Section 10's documents, as printed.
TEST(SeedDocumentsTest, OurOwnDocuments) {
  const std::string yaml = R"(apiVersion: egress/v1
kind: Namespace
metadata: {name: prod/payments}
spec: {description: payment-service workloads, allowed_domains: [api.stripe.com, {domain: api.bank.eu, reason: SEPA, expires_at: 2027-01-31T00:00:00Z}], blocked_domains: [], mode: enforcement}
---
apiVersion: egress/v1
kind: EgressDomain
metadata: {name: api.stripe.com}
spec: {action: allow, reason: payments, require_auth: true}
---
apiVersion: egress/v1
kind: PolicyTest
metadata: {name: payments-reach-stripe}
spec: {namespace: prod/payments, allow: ["api.stripe.com:443/tcp"], deny: ["evil.example:443/tcp", "10.0.0.1:22/tcp"]}
)";
  Workload authenticated;
  authenticated.authenticated = true;
  check(link_documents(yaml, Action::kDeny, "prod/payments", authenticated),
        {{"api.stripe.com:443/tcp", kAllow, "egress"},
         {"api.bank.eu:443/tcp", kAllow, "namespace:prod/payments"},
         {"evil.example:443/tcp", kDeny, "namespace:prod/payments"},
         {"10.0.0.1:22/tcp", kDeny, "namespace:prod/payments"}});
  check(link_documents(yaml, Action::kDeny, "prod/payments"), {{"api.stripe.com:443/tcp", kDeny, "egress"}});
}

}  // namespace
}  // namespace egress
