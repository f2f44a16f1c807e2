// Whether the server can do its work, and how far its fleet is: for load balancers and monitoring.
#pragma once

#include <cstdint>

#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

class ServerHealth {
 public:
  explicit ServerHealth(Store& store) : store_(store) {}

  // 503 not_ready with "missing": "store" if it answers no read, "revision" before the first one, "signing_key" unless
  // `can_sign`.
  Result<void> check_ready(bool can_sign);

  struct Fleet {
    std::uint64_t revision = 0;
    AgentCounts agents;
  };
  Expected<Fleet> fleet();

 private:
  Store& store_;
};

}  // namespace egress::server
