#include "shared/manifest/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "shared/manifest/node.h"
#include "shared/manifest/references.h"

namespace egress {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename Kind>
Kind parse_one(std::string_view text, std::string_view home = {}) {
  ParsedManifest manifest = parse_manifest_documents(text, home);
  EXPECT_THAT(manifest.problems, IsEmpty()) << manifest.problems[0].path << ": " << manifest.problems[0].message;
  return std::get<Kind>(manifest.documents.at(0));
}

std::string problem_of(std::string_view text) {
  const ParsedManifest manifest = parse_manifest_documents(text);
  return manifest.problems.empty() ? "none" : manifest.problems[0].message;
}

TEST(ParseTest, ReadsAMirrordPolicy) {
  const auto policy = parse_one<MirrordPolicy>(R"(
apiVersion: policies.mirrord.metalbear.co/v1alpha
kind: MirrordPolicy
metadata: {name: boats, namespace: prod/boats}
spec:
  targetPath: /deployment/*
  selector: {matchLabels: {team: a}, matchExpressions: [{key: b, operator: NotIn, values: [x, y]}]}
  network:
    outgoing:
      allow:
        - ipBlock: {cidr: 10.0.0.0/16, except: [10.0.5.0/24]}
          ports: [{protocol: TCP, port: 80}, {startPort: 8000, endPort: 8099}]
        - hostname: "^a\\.com$"
      block:
        - ports: [{protocol: UDP, port: 53}]
)");
  EXPECT_EQ(cite(policy.head), "MirrordPolicy prod/boats/boats");
  ASSERT_EQ(policy.rules.size(), 3u);
  EXPECT_EQ(policy.rules[0].name, "spec.network.outgoing.allow[0]");
  EXPECT_EQ(policy.rules[0].line, 11u);
  EXPECT_EQ(policy.rules[0].ports[1], (PortMatch{std::nullopt, {8000, 8099}}));
  EXPECT_EQ(policy.rules[1].hosts[0], (HostPattern{HostPatternKind::kRegex, "^a\\.com$", {}}));
  EXPECT_EQ(policy.rules[2].action, Action::kDeny);
  ASSERT_TRUE(policy.applies_to);
  EXPECT_EQ(policy.applies_to->target_path_glob, "/deployment/*");
  EXPECT_EQ(policy.applies_to->terms.size(), 2u);
}

TEST(ParseTest, JsonIsReadTheSameWay) {
  const auto gateway = parse_one<EgressGateway>(
      "{\"apiVersion\": \"clrk.apoxy.dev/v1alpha1\",\n\t\"kind\": \"EgressGateway\", \"metadata\": {\"name\": \"g\"},"
      " \"spec\": {\"defaultPolicy\": \"allow-all\", \"listeners\": [{\"name\": \"web\", \"protocol\": \"HTTP\", "
      "\"port\": 80}]}}");
  EXPECT_TRUE(gateway.allow_all);
  EXPECT_EQ(gateway.listeners.at(0).port, 80);
  EXPECT_EQ(gateway.head.namespace_path, "/");
}

TEST(ParseTest, DocumentsLiveWhereTheySayOrWhereTheCallSays) {
  constexpr std::string_view kPolicy =
      "{apiVersion: policies.mirrord.metalbear.co/v1alpha, kind: MirrordPolicy, metadata: {name: p}, spec: {}}";
  EXPECT_EQ(parse_one<MirrordPolicy>(kPolicy).head.namespace_path, "default");
  EXPECT_EQ(parse_one<MirrordPolicy>(kPolicy, "prod").head.namespace_path, "prod");
}

TEST(ParseTest, ReadsOurOwnKinds) {
  const auto ns = parse_one<NamespaceDocument>(
      "{apiVersion: egress/v1, kind: Namespace, metadata: {name: prod/payments}, spec: {description: d, "
      "allowed_domains:"
      " [api.stripe.com, {domain: api.bank.eu, reason: SEPA, expires_at: 2027-01-31T00:00:00Z}], blocked_domains: [], "
      "mode: shadow}}");
  ASSERT_TRUE(ns.allowed_domains);
  EXPECT_EQ(ns.allowed_domains->at(1).expires_at_ms, 1801353600000);
  EXPECT_EQ(ns.mode, Mode::kShadow);
  EXPECT_EQ(parse_one<NamespaceDocument>(
                "{apiVersion: egress/v1, kind: Namespace, metadata: {name: a}, spec: {allowed_domains: }}")
                .allowed_domains,
            std::nullopt);
  EXPECT_TRUE(parse_one<NamespaceDocument>(
                  "{apiVersion: egress/v1, kind: Namespace, metadata: {name: a}, spec: {allowed_domains: []}}")
                  .allowed_domains);
  const auto test = parse_one<PolicyTest>(
      "{apiVersion: egress/v1, kind: PolicyTest, metadata: {name: t}, spec: {namespace: prod, allow: "
      "[\"a.com:443/tcp\"], deny: [\"[::1]:1/udp\"]}}");
  EXPECT_EQ(test.allow.at(0).name, "a.com");
  EXPECT_EQ(test.deny.at(0).transport, Transport::kUdp);
}

TEST(ParseTest, EmptyDocumentsAndStreamsAreNothing) {
  EXPECT_THAT(parse_manifest_documents("").documents, IsEmpty());
  EXPECT_THAT(parse_manifest_documents("---\n---\n# comment\n").documents, IsEmpty());
  EXPECT_THAT(parse_manifest_documents("").problems, IsEmpty());
}

TEST(ParseTest, AllProblemsOfAllDocumentsAreReportedAtOnce) {
  const ParsedManifest manifest = parse_manifest_documents(
      "{apiVersion: egress/v1, kind: EgressDomain, metadata: {name: a.com}, spec: {action: x}}\n---\n"
      "{apiVersion: egress/v1, kind: EgressDomain, metadata: {name: b.com}, spec: {action: y}}\n");
  ASSERT_EQ(manifest.problems.size(), 2u);
  EXPECT_EQ(manifest.problems[0].document, 1);
  EXPECT_EQ(manifest.problems[1].document, 2);
  EXPECT_EQ(manifest.problems[1].line, 3);
  EXPECT_THAT(manifest.documents, IsEmpty());
}

TEST(ParseTest, AliasesAreBounded) {
  // Each level holds the one before ten times: a billion leaves from a few lines.
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int k = 1; k < 10; ++k) laughs += ", " + below;
    laughs += "]\n";
  }
  EXPECT_THAT(problem_of(laughs), HasSubstr("more than"));
  std::string many = "a: &a x\nb: [";
  for (int i = 0; i < 1001; ++i) many += "*a, ";
  EXPECT_THAT(problem_of(many + "x]"), HasSubstr("more than 1,000 aliases"));
}

TEST(ParseTest, ABoundedAliasIsAsIfWrittenOut) {
  const auto ns = parse_one<NamespaceDocument>(
      "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: a}\nspec: {allowed_domains: &d [a.com], "
      "blocked_domains: *d}\n");
  EXPECT_EQ(ns.blocked_domains.size(), 1u);
}

TEST(ParseTest, DepthIsBounded) {
  EXPECT_THAT(problem_of(std::string(40, '[') + std::string(40, ']')), HasSubstr("deeper than 32"));
  EXPECT_NE(problem_of(std::string(100'000, '[')), "none");
  EXPECT_NE(problem_of(std::string(100'000, '{')), "none");
}

TEST(ParseTest, TextMustBeUtf8WithoutNul) {
  EXPECT_THAT(problem_of("a: \xff\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(problem_of(std::string_view("a: \0b\n", 6)), HasSubstr("UTF-8"));
  EXPECT_THAT(problem_of("a: \xed\xa0\x80\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(problem_of("a: \xc0\xaf\n"), HasSubstr("UTF-8"));
}

TEST(ParseTest, TagsHaveNoMeaning) { EXPECT_THAT(problem_of("a: !!python/object x\n"), HasSubstr("tag")); }

// Whatever bytes arrive: problems or documents, never a crash.
TEST(ParseTest, NoiseIsRefusedOrRead) {
  const std::string seed =
      "apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: prod}\nspec: {allowed_domains: [a.com, &x {domain: "
      "b.com}], mode: shadow}\n---\n- *x\n";
  std::mt19937_64 random(5);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = seed;
    for (int edits = 1 + static_cast<int>(random() % 6); edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        default:
          text.insert(at, 1, "{}[]:,&*!|>-#%@`\"'\n \t"[random() % 21]);
          break;
      }
      if (text.empty()) text = " ";
    }
    const ParsedManifest manifest = parse_manifest_documents(text);
    EXPECT_TRUE(manifest.problems.empty() || manifest.documents.empty());
    for (const Problem& problem : manifest.problems) render_problem(problem, "noise.yaml", text);
  }
}

// Former bugs

TEST(ParseTest, AQuoteThatNothingClosesIsRefused) {
  for (const char* text : {"a: 'b\n", "a: \"b\n", "a: \"b\\\"", "a: 'b''\n", "a: 1\n---\nb: [c, 'd]\n"}) {
    const ParsedStream stream = parse_stream(text);
    ASSERT_EQ(stream.problems.size(), 1u) << text;
    EXPECT_GT(stream.problems[0].line, 0) << text;
    EXPECT_TRUE(stream.documents.empty()) << text;
  }
  for (const char* text :
       {"a: 'b'\n", "a: 'it''s'", "a: \"\\\"\"", "a: |\n  'b\n", "a: ''", "'a': b", "a: \"b\\\\\""}) {
    EXPECT_TRUE(parse_stream(text).problems.empty()) << text;
  }
}

}  // namespace
}  // namespace egress
