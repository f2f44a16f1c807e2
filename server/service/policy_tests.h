// PolicyTests: what a policy must go on allowing and refusing. Each destination is asked about as a registered
// workload of the test's namespace, without labels, in mode enforcement: a test speaks of policy, not of whether it is
// enforced yet, nor of where this server listens. What it says holds on any server, and without one.
#pragma once

#include <string>
#include <vector>

#include "server/service/policy_linker.h"

namespace egress::server {

inline constexpr std::size_t kMaxTestFailures = 100;  // later ones are not reported

struct TestFailure {
  std::string test;  // "PolicyTest /payments-reach-stripe"
  std::string destination;
  Verdict expected = Verdict::kAllow;
  Verdict verdict = Verdict::kAllow;
  std::string layer;
  std::string rule;
};

// O(namespaces tested * link), plus one explanation a destination.
Expected<std::vector<TestFailure>> run_policy_tests(PolicyLinker& linker, const std::vector<Document>& documents,
                                                    UnixMillis now_ms);

}  // namespace egress::server
