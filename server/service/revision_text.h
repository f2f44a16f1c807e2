// How a revision keeps what it changed: each object as the document that would make it, so that a person can read it
// and a rollback can parse it back.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "server/service/policy_draft.h"
#include "server/service/refusal.h"
#include "server/store/records.h"

namespace egress::server {

inline constexpr std::string_view kEgressChange = "egress";        // subject: "allow api.stripe.com"
inline constexpr std::string_view kNamespaceChange = "namespace";  // subject: its path
inline constexpr std::string_view kDocumentChange = "document";    // subject: "MirrordPolicy default/boats"
inline constexpr std::string_view kModeChange = "mode";            // subject: "server"

RevisionChange change_of(std::uint64_t revision, const DraftSlot<EgressEntry>& slot);
RevisionChange change_of(std::uint64_t revision, const DraftSlot<NamespaceRecord>& slot);
RevisionChange change_of(std::uint64_t revision, const PolicyDraft::DocumentSlot& slot);
RevisionChange change_of(std::uint64_t revision, const std::pair<Mode, Mode>& mode);

// Makes the object in the draft what it was before the change. kCorrupt if the texts can no longer be read.
Expected<void> undo(PolicyDraft& draft, const RevisionChange& change, const std::string& actor, UnixMillis now_ms);

// The namespaces that the change speaks of: its document's, its own path, or the root. kCorrupt as above.
Expected<std::string> namespace_of(const RevisionChange& change);

}  // namespace egress::server
