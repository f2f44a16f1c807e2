// Changes of the global egress table: into a draft of somebody's, and what is written and audited once it is accepted.
#pragma once

#include <string>
#include <string_view>

#include "server/service/change.h"
#include "server/service/policy_draft.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

inline constexpr std::string_view kEgressLayer = "egress";

// How decisions cite the rule of an entry: "allow api.stripe.com".
std::string rule_name(Action action, const HostPattern& pattern);

struct EgressPut {
  Action action = Action::kAllow;
  HostPattern pattern;
  Change<std::string> reason;
  Change<bool> require_auth;
  Change<UnixMillis> expires_at_ms;
  Principal actor;
};

// Puts the entry into the draft; answers whether it is new. Refuses with out_of_scope, or invalid_field for an expiry
// that is over.
Result<bool> plan_egress_put(PolicyDraft& draft, const EgressPut& put, UnixMillis now_ms);

// Answers with the entry. Refuses with out_of_scope or egress_entry_not_found.
Result<EgressEntry> plan_egress_removal(PolicyDraft& draft, Action action, const HostPattern& pattern,
                                        const Principal& actor);

// policy_allow, policy_block or policy_removed.
void audit_egress_change(Writer& writer, const DraftSlot<EgressEntry>& slot, const std::string& actor,
                         UnixMillis now_ms);

}  // namespace egress::server
