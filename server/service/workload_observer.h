// Whoever must act when a registered workload is another one than before: those who hold its bundle requests open.
#pragma once

#include <string>

namespace egress::server {

class WorkloadObserver {
 public:
  virtual ~WorkloadObserver() = default;
  // Its labels, target or token changed, or it is gone.
  virtual void workload_changed(const std::string& namespace_path, const std::string& name) = 0;
  // The first workload is registered: from now on a bundle needs a token.
  virtual void workloads_closed() = 0;
};

}  // namespace egress::server
