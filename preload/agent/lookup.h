// Names judged before they are resolved (policy.md section 5): which of a lookup's expansions may be asked, which
// answer the agent gives itself, and what is recorded. Pure: the session binds, allocates synthetic addresses and
// records.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/agent/hosts_file.h"
#include "preload/agent/resolve_overrides.h"
#include "preload/agent/resolver_config.h"
#include "shared/base/clock.h"
#include "shared/compile/name_index.h"
#include "shared/evaluate/connect_table.h"
#include "shared/policy/names.h"

namespace egress {

struct NameJudgement {
  Verdict verdict = Verdict::kDeny;  // kWouldDeny resolves, and is recorded
  DenyReason reason = DenyReason::kDnsName;
  std::uint16_t layer = kNoLayer;
  std::uint32_t rule = kNoRule;
};

// A name is refused when every non-loopback address, port and transport would be denied for it. The layer and rule
// cited are those that would deny it at an ordinary destination (port 443 of a documentation address). Fails closed if
// the name cannot be judged.
NameJudgement judge_name(const ConnectTable& table, const NameIndex& names, const std::string& name, UnixMillis now_ms);

struct LookupSources {
  const HostsFile& hosts;
  const ResolverConfig& resolver;
  const ResolveOverrides& overrides;
  bool loopback_passes = true;
};

struct LookupPlan {
  std::string name;                  // canonical form of what was typed; empty if it is no host name
  std::vector<std::string> queries;  // absolute names to ask for, in order
  std::vector<Address> addresses;    // the answer if there are no queries
  std::vector<Address> bindings;     // bind to `name` before replying
  bool synthetic = false;            // answer (or fall back to) a synthetic address, bound to `name`
  std::optional<NameJudgement> record;
};

// `family`: AF_UNSPEC, AF_INET or AF_INET6. An IPv6-only lookup of a name that has IPv4 addresses alone is given those:
// whether they may be mapped is for the caller's hints to say.
LookupPlan plan_lookup(std::string_view typed, std::int32_t family, const LookupSources& sources,
                       const std::function<NameJudgement(const std::string&)>& judge);

}  // namespace egress
