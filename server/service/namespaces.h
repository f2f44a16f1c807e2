// The namespace tree: upsert, removal, listing. Children may only narrow; a parent may not break its children unless
// forced (policy.md section 6). Every write is one transaction with its audit row and its revision.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/namespace_view.h"
#include "server/service/namespace_write.h"
#include "server/service/policy_observer.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

struct NamespacePutResult {
  NamespaceView view;
  bool created = false;
  std::vector<Uncovered> cascade_warnings;   // descendants that a forced write left uncovered
  std::optional<std::size_t> live_sessions;  // in it and below, if the write quarantines
};

class Namespaces {
 public:
  // `sessions`: nullptr: nobody counts.
  Namespaces(Store& store, const Clock& clock, PolicyObserver& observer, const SessionCounter* sessions = nullptr)
      : store_(store), clock_(clock), observer_(observer), sessions_(sessions) {}

  // Creates the root and `default` in a new store.
  Result<void> ensure_initial();

  struct Page {
    std::vector<NamespaceView> items;
    std::optional<std::string> next_after;
  };
  // What the principal may see, by path: its scope's ancestors, then its subtree.
  Result<Page> list(const Principal& principal, const std::string& after, std::size_t limit);
  Result<NamespaceView> get(const std::string& path);         // namespace_unknown
  Result<NamespaceDetail> describe(const std::string& path);  // namespace_unknown

  // Refuses with out_of_scope, child_widens_parent, cascade_violations (unless forced) or invalid_field.
  Result<NamespacePutResult> put(const NamespacePut& put);
  // Answers how many sessions were live in it. Refuses with out_of_scope, namespace_unknown, namespace_in_use (unless
  // forced) or root_undeletable.
  Result<std::size_t> remove(const NamespaceRemoval& removal);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
  const SessionCounter* sessions_;
};

}  // namespace egress::server
