// What makes a session: equal fields share one (architecture.md; policy.md section 7). Built from a hello's claims plus
// the uid that the kernel vouches for; everything in it has been validated.
#pragma once

#include <sys/types.h>

#include <compare>
#include <map>
#include <optional>
#include <string>

#include "preload/agent/policy_file_name.h"
#include "preload/agent/resolve_overrides.h"
#include "preload/agent/server_url.h"
#include "shared/base/error.h"
#include "shared/policy/workload.h"
#include "shared/session/protocol.h"

namespace egress {

// The raw fields, defaults filled in: what sessions are compared by. With a token, the namespace stays empty unless it
// is claimed: the registration knows it.
struct SessionKey {
  uid_t uid = 0;
  std::string server;
  std::string namespace_path;
  std::string workload;
  std::string labels;
  std::string target;
  std::string token;
  std::string resolve;
  std::string bundle_key;
  std::string ca;
  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

struct SessionIdentity {
  SessionKey key;
  ServerUrl server;                    // unless `file` is set
  std::optional<PolicyFileName> file;  // the policy is a registered file's
  std::map<std::string, std::string> labels;
  ResolveOverrides overrides;

  // The server or the file, canonical.
  std::string source() const { return file ? file->text() : server.text(); }
};

// Where a session brings no key or CA of its own, the agent's apply.
struct SessionDefaults {
  std::string bundle_key;
  std::string ca;
};

// kInvalidArgument names the variable and what was expected.
Expected<SessionIdentity> make_session_identity(const Request& hello, uid_t uid, const SessionDefaults& defaults);

}  // namespace egress
