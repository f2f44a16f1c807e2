// Who may change what (policy.md sections 4 and 6, control-plane.md "Access"), decided on a draft and the state that it
// leaves: no operator ever widens what is above or beside its subtree. The rules are listed in server/README.md.
#pragma once

#include "server/service/policy_draft.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"

namespace egress::server {

// `reader` sees the draft written. Refuses with out_of_scope. O(draft) for whoever may do everything; else what lies
// below a namespace whose list goes away is looked at, too.
Result<void> check_scope(Reader& reader, PolicyDraft& draft, const Principal& actor, UnixMillis now_ms);

// The namespaces in which `document` has an effect: its own, and for a route (or the deny policy that inverts one)
// those of the gateways that it attaches to. `documents`: among which its route is looked up, in the stored order.
std::vector<std::string> reach_of(const Document& document, const std::vector<Document>& documents);

}  // namespace egress::server
