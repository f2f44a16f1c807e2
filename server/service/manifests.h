// Manifests: streams of policy documents, applied whole or not at all, and removed one by one. Namespaces and
// EgressDomains go to the tables that the other calls edit; everything else is stored as it was written. Validated on
// the state that the transaction would leave, so that documents that depend on each other can move together.
#pragma once

#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/stored_documents.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/manifest/problem.h"

namespace egress::server {

struct ManifestPut {
  std::string text;
  std::string default_namespace;  // of documents that name none; empty: the kind's own
  bool force = false;             // past cascade violations and failing PolicyTests
  bool dry_run = false;
  Principal actor;
};

enum class ApplyResult { kCreated, kChanged, kUnchanged };
std::string_view name_of(ApplyResult result);

struct AppliedDocument {
  std::string kind;
  std::string namespace_path;
  std::string name;
  ApplyResult result = ApplyResult::kUnchanged;
};

struct ManifestResult {
  std::vector<AppliedDocument> applied;  // as written
  std::vector<Problem> warnings;
  std::vector<Uncovered> cascade_warnings;  // descendants that a forced write left uncovered
  std::size_t restricts = 0;                // namespaces that a new attachment to the root closes to what it lists
};

struct DocumentRemoval {
  std::string kind;
  std::string namespace_path;  // empty: the kind's own
  std::string name;
  bool force = false;  // past failing PolicyTests, and past the use of a namespace
  bool dry_run = false;
  Principal actor;
};

class Manifests {
 public:
  Manifests(Store& store, const Clock& clock, PolicyObserver& observer, StoredDocuments& documents)
      : store_(store), clock_(clock), observer_(observer), documents_(documents) {}

  // Refuses with invalid_manifest, child_widens_parent, cascade_violations or policy_tests_failed.
  Result<ManifestResult> apply(const ManifestPut& put);

  // Answers how the removed document is cited. Refuses with unknown_kind, document_not_found, namespace_unknown,
  // document_in_use, namespace_in_use, root_undeletable or policy_tests_failed.
  Result<std::string> remove(const DocumentRemoval& removal);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
  StoredDocuments& documents_;
};

}  // namespace egress::server
