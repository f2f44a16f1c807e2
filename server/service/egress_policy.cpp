#include "server/service/egress_policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

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

void add_use(EgressPolicy::ListedEntry& listed, const std::vector<RuleUse>& uses) {
  const std::string name = rule_name(listed.entry.action, listed.entry.pattern);
  const auto use =
      std::find_if(uses.begin(), uses.end(), [&](const RuleUse& candidate) { return candidate.rule == name; });
  if (use == uses.end()) return;
  listed.hits = use->hits;
  listed.last_used_ms = use->last_used_ms;
}

}  // namespace

std::string rule_name(Action action, const HostPattern& pattern) {
  return (action == Action::kAllow ? "allow " : "block ") + format_host_pattern(pattern);
}

Result<std::vector<EgressPolicy::ListedEntry>> EgressPolicy::list() {
  auto listed = store_.read([](Reader& reader) {
    std::unordered_map<std::string, RuleUse> uses;
    for (RuleUse& use : reader.rule_uses(kEgressLayer)) {
      std::string name = use.rule;
      uses.emplace(std::move(name), std::move(use));
    }
    std::vector<ListedEntry> entries;
    for (EgressEntry& entry : reader.egress_entries()) {
      const auto use = uses.find(rule_name(entry.action, entry.pattern));
      ListedEntry item{std::move(entry), 0, std::nullopt};
      if (use != uses.end()) {
        item.hits = use->second.hits;
        item.last_used_ms = use->second.last_used_ms;
      }
      entries.push_back(std::move(item));
    }
    return entries;
  });
  if (!listed) return tl::unexpected(Refusal(listed.error()));
  return *std::move(listed);
}

Result<EgressPolicy::PutResult> EgressPolicy::put(const Put& put) {
  const UnixMillis now_ms = clock_.now_ms();
  if (put.expires_at_ms.value && *put.expires_at_ms.value <= now_ms) {
    return refuse_field("invalid_field", "expires_at",
                        "expires_at " + format_time(*put.expires_at_ms.value) + " is not in the future");
  }
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<PutResult> {
    PutResult done;
    auto stored = writer.find_egress_entry(put.action, put.pattern);
    done.created = !stored;
    EgressEntry& entry = done.listed.entry;
    entry = stored ? *std::move(stored) : EgressEntry{put.action, put.pattern, {}, false, {}, put.actor, now_ms};
    put.reason.apply_to(entry.reason);
    put.require_auth.apply_to(entry.require_auth);
    put.expires_at_ms.apply_to(entry.expires_at_ms);
    writer.put_egress_entry(entry);
    revision = writer.bump_revision(now_ms, put.actor, rule_name(entry.action, entry.pattern));
    writer.touch_egress(revision);
    const char* event = put.action == Action::kAllow ? "policy_allow" : "policy_block";
    append_audit(writer, now_ms, audit_event(event, entry, put.actor), render_detail(entry));
    add_use(done.listed, writer.rule_uses(kEgressLayer));
    return done;
  });
  if (result) observer_.policy_changed({revision, std::nullopt});
  return result;
}

Result<EgressEntry> EgressPolicy::remove(Action action, const HostPattern& pattern, const std::string& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<EgressEntry> {
    auto stored = writer.find_egress_entry(action, pattern);
    if (!stored) {
      return refuse(ErrorCode::kNotFound, "egress_entry_not_found",
                    format_host_pattern(pattern) + " is not in the " + (action == Action::kAllow ? "allow" : "block") +
                        " list of the global egress table");
    }
    writer.remove_egress_entry(action, pattern);
    writer.forget_rule_use(kEgressLayer, rule_name(action, pattern));
    revision = writer.bump_revision(now_ms, actor, "remove " + rule_name(action, pattern));
    writer.touch_egress(revision);
    append_audit(writer, now_ms, audit_event("policy_removed", *stored, actor), render_detail(*stored));
    return *std::move(stored);
  });
  if (result) observer_.policy_changed({revision, std::nullopt});
  return result;
}

}  // namespace egress::server
