// Canonical host names (policy.md section 1): lower case, no trailing dot, IDNA A-labels, <= 253 bytes, labels 1..63,
// letters, digits, '-' and '_'.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

// Canonical form of what a person or a program wrote; U-labels are converted with libidn2 (IDNA 2008, UTS 46
// non-transitional). Refuses with the reason. An IP address is not refused here: callers ask parse_address first.
Expected<std::string> parse_host_name(std::string_view text);

}  // namespace egress
