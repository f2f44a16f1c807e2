// Whether the stored audit is the chain that was written (audit_chain.h).
#pragma once

#include <cstdint>

#include "server/store/store.h"
#include "shared/base/error.h"

namespace egress::server {

// Recomputes the newest `max_rows` rows, or all if there are fewer. How many were checked; kCorrupt names the newest
// one that does not follow from its predecessor.
Expected<std::uint64_t> check_audit_tail(Store& store, std::uint64_t max_rows);

}  // namespace egress::server
