// Change-sets: any mix of the other calls that write policy, in force together or not at all. The operations are put
// into one draft in order and judged on the state that the whole of them would leave, so that a parent and its children
// can move together.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/egress_write.h"
#include "server/service/manifest_writes.h"
#include "server/service/namespace_write.h"
#include "server/service/policy_observer.h"
#include "server/service/session_counter.h"
#include "shared/base/clock.h"
#include "shared/manifest/problem.h"

namespace egress::server {

inline constexpr std::size_t kMaxOperations = 10'000;

struct EgressRemoval {
  Action action = Action::kAllow;
  HostPattern pattern;
};
struct ManifestText {
  std::string text;
  std::string default_namespace;  // of documents that name none; empty: the kind's own
};

// Of the requests of single calls, `force`, `dry_run` and `actor` are not looked at: those of the change-set count.
using Operation =
    std::variant<EgressPut, EgressRemoval, NamespacePut, NamespaceRemoval, Mode, ManifestText, DocumentRemoval>;

struct Changeset {
  std::string description;
  std::vector<Operation> operations;
  bool force = false;  // past cascade violations, the use of a namespace and failing PolicyTests
  bool dry_run = false;
  Principal actor;
};

struct OperationResult {
  std::string op;                        // as a request names it: "allow", "remove_namespace"
  std::string subject;                   // empty for a manifest
  std::string result;                    // "created", "changed", "unchanged" or "removed"
  std::vector<AppliedDocument> applied;  // of a manifest
};

struct ChangesetResult {
  std::uint64_t revision = 0;            // that it made, or would make; 0: it changes nothing
  std::vector<OperationResult> results;  // of each operation
  std::vector<Uncovered> cascade_warnings;
  std::vector<std::pair<std::size_t, Problem>> warnings;  // with the operation they are about
  std::size_t restricts = 0;                 // namespaces that a new attachment to the root closes to what it lists
  std::optional<std::size_t> live_sessions;  // in the namespaces that it quarantines, and below
};

class Changesets {
 public:
  // `sessions`: nullptr: nobody counts.
  Changesets(Store& store, const Clock& clock, PolicyObserver& observer, StoredDocuments& documents,
             const SessionCounter* sessions = nullptr)
      : store_(store), clock_(clock), observer_(observer), documents_(documents), sessions_(sessions) {}

  // Refuses with whatever refuses the single calls: with the further field "change" where one operation is to blame,
  // and with a "field" below "changes[i]".
  Result<ChangesetResult> apply(const Changeset& changeset);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
  StoredDocuments& documents_;
  const SessionCounter* sessions_;
};

// `refusal` as one of the operation at `index`.
Refusal in_operation(Refusal refusal, std::size_t index);

}  // namespace egress::server
