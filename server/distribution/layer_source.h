// What stored policy means as layers (policy.md section 4): one for the global table, one for each namespace. Pure.
#pragma once

#include <vector>

#include "server/store/records.h"
#include "shared/policy/rule.h"

namespace egress::server {

// Unmatched abstains: the table grants and forbids, it does not close.
Layer make_egress_layer(const std::vector<EgressEntry>& entries);

// Unmatched denies if the namespace defines allowed_domains, even none of them (the quarantine); abstains if it
// inherits.
Layer make_namespace_layer(const NamespaceRecord& record);

}  // namespace egress::server
