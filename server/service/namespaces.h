// The namespace tree: upsert, removal, listing. Children may only narrow; a parent may not break its children unless
// forced (policy.md section 6). Every write is one transaction with its audit row and its revision.
#pragma once

#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/change.h"
#include "server/service/effective_settings.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

struct NamespaceView {
  NamespaceRecord record;
  bool parent_exists = true;
  EffectiveSettings effective;
  std::vector<Uncovered> broken;
};

struct NamespacePut {
  std::string path;
  Change<std::string> description;
  Change<std::vector<DomainEntry>> allowed;
  Change<std::vector<DomainEntry>> blocked;
  Change<Mode> mode;
  Change<LoopbackMode> loopback;
  Change<LookupMode> lookups;
  Change<Action> default_action;
  bool force = false;
  bool dry_run = false;
  Principal actor;
};

struct NamespacePutResult {
  NamespaceView view;
  bool created = false;
  std::vector<Uncovered> cascade_warnings;  // descendants that a forced write left uncovered
};

struct NamespaceRemoval {
  std::string path;
  bool force = false;
  bool dry_run = false;
  Principal actor;
};

class Namespaces {
 public:
  Namespaces(Store& store, const Clock& clock, PolicyObserver& observer)
      : store_(store), clock_(clock), observer_(observer) {}

  // Creates the root and `default` in a new store.
  Result<void> ensure_initial();

  struct Page {
    std::vector<NamespaceView> items;
    std::optional<std::string> next_after;
  };
  // What the principal may see, by path: its scope's ancestors, then its subtree.
  Result<Page> list(const Principal& principal, const std::string& after, std::size_t limit);
  Result<NamespaceView> get(const std::string& path);  // namespace_unknown

  // Refuses with child_widens_parent, cascade_violations (unless forced) or invalid_field.
  Result<NamespacePutResult> put(const NamespacePut& put);
  // Refuses with namespace_unknown, namespace_in_use (unless forced) or root_undeletable.
  Result<void> remove(const NamespaceRemoval& removal);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
};

}  // namespace egress::server
