#include "server/service/egress_write.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/json_values.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

Json render_detail(const EgressEntry& entry) {
  Json detail = Json::object();
  detail["domain"] = format_host_pattern(entry.pattern);
  detail["action"] = name_of(entry.action);
  detail["reason"] = entry.reason;
  if (entry.action == Action::kAllow) detail["require_auth"] = entry.require_auth;
  detail["expires_at"] = time_or_null(entry.expires_at_ms);
  return detail;
}

AuditEvent audit_event(std::string event, const EgressEntry& entry, const std::string& actor) {
  AuditEvent audit;
  audit.event = std::move(event);
  audit.actor = actor;
  audit.namespace_path = std::string(kRootNamespace);
  audit.subject = format_host_pattern(entry.pattern);
  audit.host = audit.subject;
  audit.layer = std::string(kEgressLayer);
  return audit;
}

}  // namespace

std::string rule_name(Action action, const HostPattern& pattern) {
  return (action == Action::kAllow ? "allow " : "block ") + format_host_pattern(pattern);
}

Result<bool> plan_egress_put(PolicyDraft& draft, const EgressPut& put, UnixMillis now_ms) {
  if (auto allowed = require(put.actor, Role::kOperator, kRootNamespace); !allowed) {
    return tl::unexpected(allowed.error());
  }
  if (put.expires_at_ms.value && *put.expires_at_ms.value <= now_ms) {
    return refuse_field("invalid_field", "expires_at",
                        "expires_at " + format_time(*put.expires_at_ms.value) + " is not in the future");
  }
  auto stored = draft.find_egress_entry(put.action, put.pattern);
  const bool created = !stored;
  EgressEntry entry =
      stored ? *std::move(stored) : EgressEntry{put.action, put.pattern, {}, false, {}, put.actor.name, now_ms};
  put.reason.apply_to(entry.reason);
  put.require_auth.apply_to(entry.require_auth);
  put.expires_at_ms.apply_to(entry.expires_at_ms);
  draft.put(std::move(entry));
  return created;
}

Result<EgressEntry> plan_egress_removal(PolicyDraft& draft, Action action, const HostPattern& pattern,
                                        const Principal& actor) {
  if (auto allowed = require(actor, Role::kOperator, kRootNamespace); !allowed) return tl::unexpected(allowed.error());
  auto stored = draft.find_egress_entry(action, pattern);
  if (!stored) {
    return refuse(ErrorCode::kNotFound, "egress_entry_not_found",
                  format_host_pattern(pattern) + " is not in the " + (action == Action::kAllow ? "allow" : "block") +
                      " list of the global egress table");
  }
  draft.remove_egress_entry(action, pattern);
  return *std::move(stored);
}

void audit_egress_change(Writer& writer, const DraftSlot<EgressEntry>& slot, const std::string& actor,
                         UnixMillis now_ms) {
  const EgressEntry& entry = slot.after ? *slot.after : *slot.before;
  const char* event = !slot.after ? "policy_removed" : entry.action == Action::kAllow ? "policy_allow" : "policy_block";
  append_audit(writer, now_ms, audit_event(event, entry, actor), render_detail(entry));
}

}  // namespace egress::server
