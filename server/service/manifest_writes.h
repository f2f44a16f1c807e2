// Documents into a draft of somebody's, and out of it. Namespaces and EgressDomains become what the other calls edit;
// everything else is kept as it was written.
#pragma once

#include <string>
#include <vector>

#include "server/service/manifest_input.h"
#include "server/service/policy_draft.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

enum class ApplyResult { kCreated, kChanged, kUnchanged };
std::string_view name_of(ApplyResult result);

struct AppliedDocument {
  std::string kind;
  std::string namespace_path;
  std::string name;
  ApplyResult result = ApplyResult::kUnchanged;
};

struct DocumentRemoval {
  std::string kind;
  std::string namespace_path;  // empty: the kind's own
  std::string name;
  bool force = false;  // past failing PolicyTests, and past the use of a namespace
  bool dry_run = false;
  Principal actor;
};

// Answers what each document changes, as written. `stream`: what problems call the manifest, where a request holds
// several. Refuses with out_of_scope or invalid_manifest; references are checked when the draft is whole.
Result<std::vector<AppliedDocument>> plan_manifest(PolicyDraft& draft, const ManifestInput& input,
                                                   const std::string& stream, const Principal& actor,
                                                   UnixMillis now_ms);

// Answers with the head of the document that was there. Refuses with out_of_scope, unknown_kind, invalid_query,
// document_not_found, namespace_unknown or root_undeletable.
Result<DocumentHead> plan_document_removal(PolicyDraft& draft, const DocumentRemoval& removal);

// A manifest_applied or manifest_removed row for a document that is not kept as one; those that are have theirs.
void audit_applied(Writer& writer, const AppliedDocument& document, const std::string& actor, UnixMillis now_ms);
void audit_removed(Writer& writer, const DocumentHead& head, bool forced, const std::string& actor, UnixMillis now_ms);

}  // namespace egress::server
