// What agents say of the bundles they hold: offered, active, and why not.
#pragma once

#include <vector>

#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

class AgentFleet {
 public:
  AgentFleet(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Remembers the report and answers with the newest policy revision.
  Result<std::uint64_t> report(AgentStatus status);

  struct Page {
    std::vector<AgentStatus> items;  // by agent, namespace, workload
    std::uint64_t revision = 0;
    std::optional<std::string> next_after;
  };
  // Of workloads in `subtree` and below.
  Result<Page> list(const std::string& subtree, const std::string& after, std::size_t limit);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace egress::server
