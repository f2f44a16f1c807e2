// How many workload sessions are live: asked before their namespace is taken away, told when they are cut off. The
// distribution counts the agents' held polls.
#pragma once

#include <cstddef>
#include <string>

namespace egress::server {

class SessionCounter {
 public:
  virtual ~SessionCounter() = default;
  virtual std::size_t sessions_in(const std::string& namespace_path) const = 0;  // in it alone
  virtual std::size_t sessions_below(const std::string& subtree) const = 0;      // in it and below
};

}  // namespace egress::server
