// What an accepted draft becomes in the store: the objects, their audit rows, and what the revision changed. Decides
// nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/policy_draft.h"
#include "server/store/store.h"

namespace egress::server {

// Puts and removes everything, marked with the revision, and records the revision's changes. The records of the draft
// get the revision, too.
void write_draft(Writer& writer, PolicyDraft& draft, std::uint64_t revision);

// `cascades`: by the namespace whose write left them uncovered.
void audit_draft(Writer& writer, const PolicyDraft& draft,
                 const std::map<std::string, std::vector<Uncovered>>& cascades, bool forced, const std::string& actor,
                 UnixMillis now_ms);

}  // namespace egress::server
