#include "server/service/egress_write.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
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
  detail["expires_at"] = entry.expires_at_ms ? Json(format_time(*entry.expires_at_ms)) : Json(nullptr);
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

void write_egress_entry(Writer& writer, const EgressEntry& entry, std::uint64_t revision, const std::string& actor,
                        UnixMillis now_ms) {
  writer.put_egress_entry(entry);
  writer.touch_egress(revision);
  const char* event = entry.action == Action::kAllow ? "policy_allow" : "policy_block";
  append_audit(writer, now_ms, audit_event(event, entry, actor), render_detail(entry));
}

void erase_egress_entry(Writer& writer, const EgressEntry& entry, std::uint64_t revision, const std::string& actor,
                        UnixMillis now_ms) {
  writer.remove_egress_entry(entry.action, entry.pattern);
  writer.forget_rule_use(kEgressLayer, rule_name(entry.action, entry.pattern));
  writer.touch_egress(revision);
  append_audit(writer, now_ms, audit_event("policy_removed", entry, actor), render_detail(entry));
}

}  // namespace egress::server
