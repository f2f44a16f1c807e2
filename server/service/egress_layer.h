// The global egress table as a layer (policy.md section 4). Namespaces and documents become layers in
// shared/policy/assemble.h; this source exists on the server alone. Pure.
#pragma once

#include <vector>

#include "server/store/records.h"
#include "shared/policy/rule.h"

namespace egress::server {

// Unmatched abstains: the table grants and forbids, it does not close.
Layer make_egress_layer(const std::vector<EgressEntry>& entries);

}  // namespace egress::server
