#include "server/service/egress_policy.h"

#include <algorithm>
#include <unordered_map>

#include "shared/base/time_text.h"

namespace egress::server {
namespace {

void add_use(EgressPolicy::ListedEntry& listed, const std::vector<RuleUse>& uses) {
  const std::string name = rule_name(listed.entry.action, listed.entry.pattern);
  const auto use =
      std::find_if(uses.begin(), uses.end(), [&](const RuleUse& candidate) { return candidate.rule == name; });
  if (use == uses.end()) return;
  listed.hits = use->hits;
  listed.last_used_ms = use->last_used_ms;
}

}  // namespace

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
    entry = stored ? *std::move(stored) : EgressEntry{put.action, put.pattern, {}, false, {}, put.actor.name, now_ms};
    put.reason.apply_to(entry.reason);
    put.require_auth.apply_to(entry.require_auth);
    put.expires_at_ms.apply_to(entry.expires_at_ms);
    revision = writer.bump_revision(now_ms, put.actor.name, rule_name(entry.action, entry.pattern));
    write_egress_entry(writer, entry, revision, put.actor.name, now_ms);
    add_use(done.listed, writer.rule_uses(kEgressLayer));
    return done;
  });
  if (result) observer_.policy_changed({revision, std::nullopt});
  return result;
}

Result<EgressEntry> EgressPolicy::remove(Action action, const HostPattern& pattern, const Principal& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<EgressEntry> {
    auto stored = writer.find_egress_entry(action, pattern);
    if (!stored) {
      return refuse(ErrorCode::kNotFound, "egress_entry_not_found",
                    format_host_pattern(pattern) + " is not in the " + (action == Action::kAllow ? "allow" : "block") +
                        " list of the global egress table");
    }
    revision = writer.bump_revision(now_ms, actor.name, "remove " + rule_name(action, pattern));
    erase_egress_entry(writer, *stored, revision, actor.name, now_ms);
    return *std::move(stored);
  });
  if (result) observer_.policy_changed({revision, std::nullopt});
  return result;
}

}  // namespace egress::server
