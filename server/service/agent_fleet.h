// What agents say of the bundles they hold: offered, active, and why not.
#pragma once

#include <vector>

#include "server/service/refusal.h"
#include "server/service/workload_reports.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

class AgentFleet {
 public:
  AgentFleet(Store& store, const Clock& clock) : store_(store), clock_(clock), reports_(clock) {}

  // What was reported before this start. Once, before any request.
  Result<void> load();

  // Remembers the report and answers with the newest policy revision. `processes`: see WorkloadReports.
  Result<std::uint64_t> report(AgentStatus status, std::optional<std::uint64_t> processes = std::nullopt);

  WorkloadReports& reports() { return reports_; }

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
  WorkloadReports reports_;
};

}  // namespace egress::server
