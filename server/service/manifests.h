// Manifests: streams of policy documents, applied whole or not at all, and removed one by one. Namespaces and
// EgressDomains go to the tables that the other calls edit; everything else is stored as it was written. Validated on
// the state that the transaction would leave, so that documents that depend on each other can move together.
#pragma once

#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/manifest_writes.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
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

struct ManifestResult {
  std::vector<AppliedDocument> applied;  // as written
  std::vector<Problem> warnings;
  std::vector<Uncovered> cascade_warnings;  // descendants that a forced write left uncovered
  std::size_t restricts = 0;                // namespaces that a new attachment to the root closes to what it lists
};

// What is accepted but probably not meant; the draft's writes are seen.
std::vector<Problem> find_doubts(Reader& reader, const std::vector<InputDocument>& input, UnixMillis now_ms);

class Manifests {
 public:
  // `sessions`: nullptr: nobody counts.
  Manifests(Store& store, const Clock& clock, PolicyObserver& observer, StoredDocuments& documents,
            const SessionCounter* sessions = nullptr)
      : store_(store), clock_(clock), observer_(observer), documents_(documents), sessions_(sessions) {}

  // Refuses with out_of_scope, invalid_manifest, child_widens_parent, cascade_violations or policy_tests_failed.
  Result<ManifestResult> apply(const ManifestPut& put);

  // Answers how the removed document is cited. Refuses with out_of_scope, unknown_kind, document_not_found,
  // namespace_unknown, document_in_use, namespace_in_use, root_undeletable or policy_tests_failed.
  Result<std::string> remove(const DocumentRemoval& removal);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
  StoredDocuments& documents_;
  const SessionCounter* sessions_;
};

}  // namespace egress::server
