// Domain lists as the API and the audit show them: a bare string where there is nothing to add, else
// {"domain", "reason", "expires_at"}. The same forms are accepted as input.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "shared/policy/narrowing.h"

namespace egress::server {

nlohmann::ordered_json render_domains(const std::vector<DomainEntry>& entries);
nlohmann::ordered_json render_domains(const AllowList& entries);  // null: inherits

}  // namespace egress::server
