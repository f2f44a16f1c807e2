// Who wants to know that policy changed: the distribution. Called after the commit, on the writer's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace egress::server {

struct PolicyChange {
  std::uint64_t revision = 0;
  std::optional<std::string> subtree;  // the namespace that changed, with all below; nullopt: every namespace
};

class PolicyObserver {
 public:
  virtual ~PolicyObserver() = default;
  virtual void policy_changed(const PolicyChange& change) = 0;
};

}  // namespace egress::server
