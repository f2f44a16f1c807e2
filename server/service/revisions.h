// The history of policy: what each revision changed, who made it, and the way back, which is a new revision.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
#include "server/service/stored_documents.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

struct RevisionView {
  RevisionRecord record;
  std::vector<RevisionChange> changes;  // those that the reader may see, from the first one asked for
  std::size_t visible = 0;              // how many there are of them altogether
  std::size_t hidden = 0;               // changes outside the reader's scope
};

struct Rollback {
  std::uint64_t number = 0;
  std::string reason;
  bool force = false;  // past cascade violations, the use of a namespace and failing PolicyTests
  bool dry_run = false;
  Principal actor;
};

struct RollbackResult {
  std::uint64_t revision = 0;           // that it made, or would make; 0: the content is that of the revision already
  std::vector<RevisionChange> changes;  // of the new revision
  std::vector<Uncovered> cascade_warnings;
  std::vector<std::string> warnings;  // entries that come back although they have expired
};

class Revisions {
 public:
  // `sessions`: nullptr: nobody counts.
  Revisions(Store& store, const Clock& clock, PolicyObserver& observer, StoredDocuments& documents,
            const SessionCounter* sessions = nullptr)
      : store_(store), clock_(clock), observer_(observer), documents_(documents), sessions_(sessions) {}

  struct Page {
    std::vector<RevisionRecord> items;  // newest first; without those that change nothing the reader may see
    std::optional<std::uint64_t> next_before;
  };
  // Of whoever may not see all of a revision, its summary is kept, too.
  Result<Page> list(const Principal& reader, std::optional<std::uint64_t> before, std::size_t limit);

  // At most `limit` changes from number `first` on. Refuses with revision_unknown.
  Result<RevisionView> get(const Principal& reader, std::uint64_t number, std::size_t first, std::size_t limit);

  // Makes the content what it was at that revision; expiries stay absolute, tokens and workloads are not touched.
  // Refuses with revision_unknown, revision_has_no_history and whatever refuses a change-set.
  Result<RollbackResult> roll_back(const Rollback& rollback);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
  StoredDocuments& documents_;
  const SessionCounter* sessions_;
};

}  // namespace egress::server
