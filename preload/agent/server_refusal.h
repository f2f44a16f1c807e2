// What a server's answer to a bundle request takes away: the answers after which a session has no policy, as opposed to
// those that say nothing about it (5xx, a proxy's page), after which the last good one stays. Pure.
#pragma once

#include <optional>
#include <string>

#include "preload/agent/session_identity.h"
#include "shared/evaluate/connect_table.h"

namespace egress {

struct ServerRefusal {
  NoPolicyCause cause = NoPolicyCause::kRefused;
  std::string message;         // for a person: what is wrong, what to do
  bool forget_stored = false;  // what lies on disk must not come back with a restart
};

// The server's {"error", "message"}; what it does not hold stays empty. Control characters become blanks: it ends on
// people's terminals.
struct ErrorBody {
  std::string code;
  std::string message;
};
ErrorBody parse_error_body(const std::string& body);

// nullopt unless it is a 401, a 403, a 404 namespace_unknown or a 429 rate_limited of an egress-server's.
std::optional<ServerRefusal> find_refusal(unsigned status, const std::string& body, const SessionIdentity& identity);

}  // namespace egress
