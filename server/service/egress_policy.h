// The global egress table: which domains the whole fleet may reach, which it may not (seed 002, layer 1). One entry an
// action and pattern; the same pattern may stand in both lists, and then the block wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/egress_write.h"
#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

class EgressPolicy {
 public:
  EgressPolicy(Store& store, const Clock& clock, PolicyObserver& observer)
      : store_(store), clock_(clock), observer_(observer) {}

  struct ListedEntry {
    EgressEntry entry;
    std::uint64_t hits = 0;  // decisions that reported this entry's rule as the deciding one
    std::optional<UnixMillis> last_used_ms;
  };
  Result<std::vector<ListedEntry>> list();

  using Put = EgressPut;
  struct PutResult {
    ListedEntry listed;
    bool created = false;
  };
  // Refuses with out_of_scope or invalid_field.
  Result<PutResult> put(const Put& put);

  // Refuses with out_of_scope or egress_entry_not_found.
  Result<EgressEntry> remove(Action action, const HostPattern& pattern, const Principal& actor);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
};

}  // namespace egress::server
