// What of a route's match passes through a gateway's listeners (policy.md section 10): TCP, TLS, HTTP and HTTPS carry
// TCP, UDP carries UDP, and a listener's port restricts it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/policy/documents.h"

namespace egress {

// The listeners a parent reference attaches to: the section it names, or all. Pointers into `gateway`.
std::vector<const Listener*> attached_listeners(const EgressGateway& gateway, const ParentRef& parent);

// `match` narrowed to what at least one of `listeners` carries; nullopt if none carries any of it.
std::optional<Rule> cut_to_listeners(const Rule& match, const std::vector<const Listener*>& listeners);

}  // namespace egress
