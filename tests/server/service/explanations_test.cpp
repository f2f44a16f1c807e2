#include "server/service/explanations.h"

#include "server/service/manifests.h"
#include "server/service/namespaces.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

// A server that listens on 127.0.0.1:8443, and on a fleet where nothing is refused.
class ExplanationsTest : public ServiceTest {
 protected:
  ExplanationsTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  Result<ManifestResult> apply(const std::string& text) {
    ManifestPut put;
    put.text = text;
    put.actor = admin("me");
    return manifests_.apply(put);
  }
  void set_root(const std::string& spec) {
    const auto done = apply("apiVersion: egress/v1\nkind: Namespace\nmetadata: {name: /}\nspec: {" + spec + "}\n");
    ASSERT_TRUE(done) << done.error().message;
  }
  Explanation ask(const char* address, std::uint16_t port, const std::string& name = {}) {
    Workload workload;
    workload.namespace_path = "default";
    ExplainQuestion question;
    question.name = name;
    if (address != nullptr) question.address = parse_address(address).value();
    question.port = port;
    return explanations_.ask(workload, question).value().explanation;
  }

  StoredDocuments documents_;
  Namespaces namespaces_{*store_, clock_, observer_};
  Manifests manifests_{*store_, clock_, observer_, documents_};
  Explanations explanations_{*store_, clock_, documents_, {{make_ipv4(0x7f00'0001), 8443}}};
};

TEST_F(ExplanationsTest, TheServersOwnEndpointIsRefusedWhateverThePolicy) {
  for (const char* spec :
       {"default_action: allow", "default_action: allow, loopback: enforce", "default_action: allow, mode: shadow",
        "mode: discovery", "allowed_domains: [127.0.0.1, own.example]"}) {
    set_root(spec);
    for (const char* address : {"127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"}) {
      for (const char* name : {"", "own.example"}) {
        SCOPED_TRACE(std::string(spec) + " " + address + " " + name);
        const Explanation said = ask(address, 8443, name);
        EXPECT_EQ(said.decision.verdict, Verdict::kDeny);
        EXPECT_EQ(said.decision.reason, DenyReason::kControlPlane);
        EXPECT_EQ(said.layer, "default");
        EXPECT_EQ(said.rule, "unmatched");
        EXPECT_TRUE(said.fixes.empty()) << "nothing opens it";
      }
    }
    EXPECT_NE(ask("127.0.0.1", 8444).decision.reason, DenyReason::kControlPlane) << spec;
    EXPECT_NE(ask("127.0.0.2", 8443).decision.reason, DenyReason::kControlPlane) << spec;
    EXPECT_NE(ask(nullptr, 8443, "own.example").decision.reason, DenyReason::kControlPlane) << spec;
  }
}

TEST_F(ExplanationsTest, PolicyTestsJudgePolicyWhereverTheServerListens) {
  const auto test = [&](const char* list) {
    return apply(
        std::string("apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t}\nspec: {namespace: default, ") +
        list + ": ['127.0.0.1:8443/tcp']}\n");
  };
  EXPECT_TRUE(test("allow")) << "loopback passes";
  const auto refused = test("deny");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "policy_tests_failed");
}

}  // namespace
}  // namespace egress::server
