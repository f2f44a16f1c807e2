// References between policy documents as a draft would leave them: what leads nowhere refuses the draft.
#pragma once

#include "server/service/policy_draft.h"
#include "server/service/refusal.h"

namespace egress::server {

// Refuses with invalid_manifest, or with document_in_use where a removal alone is to blame. O(documents).
Result<void> check_references(const PolicyDraft& draft);

}  // namespace egress::server
