#include "server/service/policy_tests.h"

#include <map>

#include "shared/explain/explain.h"

namespace egress::server {
namespace {

Expected<void> ask(const LinkedStack& stack, const PolicyTest& test, const std::vector<Destination>& destinations,
                   Verdict expected, UnixMillis now_ms, std::vector<TestFailure>& failures) {
  for (const Destination& destination : destinations) {
    const auto explanation = explain(stack, question_of(destination, now_ms));
    if (!explanation) return tl::unexpected(explanation.error());
    const Verdict verdict = explanation->decision.verdict;
    if (verdict == expected || failures.size() == kMaxTestFailures) continue;
    failures.push_back({cite(test.head), destination.text, expected, verdict, explanation->layer, explanation->rule});
  }
  return {};
}

}  // namespace

Expected<std::vector<TestFailure>> run_policy_tests(PolicyLinker& linker, const std::vector<Document>& documents,
                                                    UnixMillis now_ms) {
  std::map<std::string, std::vector<const PolicyTest*>> tests;  // by the namespace they ask about
  for (const Document& document : documents) {
    if (const auto* test = std::get_if<PolicyTest>(&document)) tests[test->workload_namespace].push_back(test);
  }
  std::vector<TestFailure> failures;
  for (const auto& [path, asked] : tests) {
    Workload workload;
    workload.namespace_path = path;
    workload.authenticated = true;
    const auto policy = linker.link(workload, Mode::kEnforcement);
    if (!policy) return tl::unexpected(policy.error());
    for (const PolicyTest* test : asked) {
      auto done = ask(policy->stack, *test, test->allow, Verdict::kAllow, now_ms, failures);
      if (done) done = ask(policy->stack, *test, test->deny, Verdict::kDeny, now_ms, failures);
      if (!done) return tl::unexpected(done.error());
    }
  }
  return failures;
}

}  // namespace egress::server
