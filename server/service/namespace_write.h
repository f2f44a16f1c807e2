// Changes of namespaces: into a draft of somebody's, and the checks and audit rows that its commit needs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/service/cascade.h"
#include "server/service/change.h"
#include "server/service/policy_draft.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
#include "server/store/store.h"

namespace egress::server {

struct NamespacePut {
  std::string path;
  Change<std::string> description;
  Change<std::vector<DomainEntry>> allowed;
  Change<std::vector<DomainEntry>> blocked;
  Change<Mode> mode;
  Change<LoopbackMode> loopback;
  Change<LookupMode> lookups;
  Change<Action> default_action;
  bool force = false;
  bool dry_run = false;
  Principal actor;
};

struct NamespaceRemoval {
  std::string path;
  bool force = false;
  bool dry_run = false;
  Principal actor;
};

using NamespaceSlot = DraftSlot<NamespaceRecord>;

// Puts the namespace into the draft; answers whether it is new. Refuses with out_of_scope or invalid_field.
Result<bool> plan_namespace_put(PolicyDraft& draft, const NamespacePut& put, UnixMillis now_ms);
// Refuses with out_of_scope, root_undeletable or namespace_unknown.
Result<void> plan_namespace_removal(PolicyDraft& draft, const std::string& path, const Principal& actor);

// The descendants that the write, already put, leaves uncovered. Refuses with child_widens_parent.
Result<std::vector<Uncovered>> check_narrowing(Reader& reader, const NamespaceSlot& slot, UnixMillis now_ms);
// namespace_in_use, if descendants, documents, registered workloads or live sessions are left behind.
Result<void> check_unused(Reader& reader, const std::string& path, const SessionCounter* sessions);

// [{"child", "uncovered_domains"}], as refusals and answers show it.
nlohmann::ordered_json render_cascade(std::span<const Uncovered> cascade);

// cascade_violations.
tl::unexpected<Refusal> refuse_cascade(const std::vector<Uncovered>& cascade);

// The row names at most a thousand of those that `cascade` lists, and how many they are in all.
void audit_namespace_change(Writer& writer, const NamespaceSlot& slot, const std::vector<Uncovered>& cascade,
                            bool forced, const std::string& actor, UnixMillis now_ms);

// The refusal of every call that names a namespace which does not exist.
tl::unexpected<Refusal> refuse_unknown_namespace(const std::string& path);

}  // namespace egress::server
