#include "preload/cli/policy_test_run.h"

#include <algorithm>
#include <map>

#include "preload/agent/policy_file.h"
#include "shared/explain/explain.h"

namespace egress {
namespace {

// One policy a namespace: tests usually ask about few.
class PolicyCache {
 public:
  PolicyCache(const std::vector<Document>& documents, UnixMillis now_ms) : documents_(documents), now_ms_(now_ms) {}

  Expected<PolicyPtr> find_or_make(const std::string& namespace_path) {
    if (const auto known = policies_.find(namespace_path); known != policies_.end()) return known->second;
    Workload workload;
    workload.namespace_path = namespace_path;
    auto policy = make_file_policy(documents_, workload, false, now_ms_);
    if (policy) policies_.emplace(namespace_path, *policy);
    return policy;
  }

 private:
  const std::vector<Document>& documents_;
  UnixMillis now_ms_;
  std::map<std::string, PolicyPtr> policies_;
};

PolicyTestFailure make_failure(const PolicyTest& test, const Destination& destination, Action expected,
                               const Explanation& explanation) {
  PolicyTestFailure failure{.test = test.head.name,
                            .destination = destination.text,
                            .expected = std::string(name_of(expected)),
                            .verdict = std::string(name_of(explanation.decision.verdict)),
                            .layer = explanation.layer,
                            .rule = explanation.rule,
                            .document = {},
                            .line = 0};
  const auto deciding = std::find_if(explanation.votes.begin(), explanation.votes.end(),
                                     [&](const LayerVote& vote) { return vote.layer == explanation.layer; });
  if (deciding != explanation.votes.end()) {
    failure.document = deciding->document;
    failure.line = deciding->line;
  }
  return failure;
}

}  // namespace

Expected<PolicyTestRun> run_policy_tests(const std::vector<Document>& documents, UnixMillis now_ms) {
  PolicyTestRun run;
  PolicyCache policies(documents, now_ms);
  for (const Document& document : documents) {
    const auto* test = std::get_if<PolicyTest>(&document);
    if (test == nullptr) continue;
    ++run.tests;
    const auto policy = policies.find_or_make(test->workload_namespace);
    if (!policy) return tl::unexpected(policy.error());
    for (const Action expected : {Action::kAllow, Action::kDeny}) {
      for (const Destination& destination : expected == Action::kAllow ? test->allow : test->deny) {
        ++run.destinations;
        const auto explanation = explain((*policy)->stack, question_of(destination, now_ms));
        if (!explanation) return tl::unexpected(explanation.error());
        const bool allowed = explanation->decision.verdict == Verdict::kAllow;
        if (allowed == (expected == Action::kAllow)) continue;
        run.failures.push_back(make_failure(*test, destination, expected, *explanation));
      }
    }
  }
  if (run.tests == 0) return fail(ErrorCode::kInvalidArgument, "holds no PolicyTest: there is nothing to test");
  return run;
}

}  // namespace egress
