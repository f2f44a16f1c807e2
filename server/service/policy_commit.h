// The one way in which policy is changed: a draft is checked on the state that it would leave, and written with its
// audit rows, its revision and what the revision changed, all in the caller's transaction. Nothing else may write
// policy, or rolling back would miss it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/policy_draft.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
#include "server/store/store.h"

namespace egress::server {

enum class TestGate {
  kOpen,           // PolicyTests are not asked
  kClosed,         // they must hold
  kUnlessCutting,  // they must hold, unless the draft does nothing but block and quarantine
};

struct CommitOptions {
  Principal actor;
  std::string summary;  // of the revision
  bool force = false;   // past cascade violations, the use of a namespace and failing PolicyTests
  bool dry_run = false;
  TestGate tests = TestGate::kOpen;
  const SessionCounter* sessions = nullptr;  // nullptr: nobody counts
};

struct PolicyCommit {
  std::uint64_t revision = 0;               // that it is, or would be; 0: nothing changes
  bool in_force = false;                    // once the transaction is committed
  std::optional<std::string> subtree;       // PolicyChange::subtree
  std::vector<Uncovered> cascade_warnings;  // descendants that a forced write left uncovered, one item a child
  std::size_t restricts = 0;                // namespaces that a new attachment to the root closes to what it lists
  std::vector<std::string> quarantined;     // namespaces whose allowed_domains became []
};

// Refuses with out_of_scope, child_widens_parent, cascade_violations, namespace_in_use, invalid_manifest,
// document_in_use or policy_tests_failed; the caller's transaction must then be rolled back. A draft that changes
// nothing makes no revision. May call writer.discard().
Result<PolicyCommit> commit_draft(Writer& writer, PolicyDraft& draft, const CommitOptions& options, UnixMillis now_ms);

// After the transaction: tells the observer, if anything changed.
void publish(PolicyObserver& observer, const PolicyCommit& commit);

}  // namespace egress::server
