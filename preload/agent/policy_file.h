// A policy that is a file instead of a server's (policy.md section 4, "Without a server"): checked, and turned into the
// linked policy of one workload. The agent does this for `egress exec --policy`, the CLI for `explain` and `test`, so
// that all of them judge alike. Pure but for its cost: runs on the agent's pool, never on its main thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "preload/agent/policy.h"
#include "shared/base/clock.h"
#include "shared/manifest/problem.h"
#include "shared/policy/documents.h"
#include "shared/policy/workload.h"

namespace egress {

inline constexpr std::size_t kMaxPolicyFileBytes = 8u << 20;

struct PolicyFile {
  std::vector<Document> documents;  // empty if there are problems
  std::vector<Problem> problems;    // any: the file is refused whole
  std::vector<Problem> warnings;
};

// As a workload in `namespace_path` reads it: documents that name no namespace belong to it. In "default", gateways and
// routes without one belong to "/", as on a server. A file without a document is a problem: a template that rendered to
// nothing must not become a policy.
PolicyFile parse_policy_file(std::string_view text, std::string_view namespace_path);

// `documents` without problems. Default action: what a Namespace document "/" says, else allow if mirrord policies are
// all there is, else deny. Mode, loopback and lookups: the nearest Namespace document on the path that sets them.
// `shadow`: denials are recorded only. The workload is not authenticated: there is nobody to vouch for it.
Expected<PolicyPtr> make_file_policy(const std::vector<Document>& documents, const Workload& workload, bool shadow,
                                     UnixMillis now_ms);

// "line 12, column 9: spec.rules[0]: message (expected ...)", for where the text itself is not at hand.
std::string describe_problem(const Problem& problem);

}  // namespace egress
