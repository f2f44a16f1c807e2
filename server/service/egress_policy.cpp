#include "server/service/egress_policy.h"

#include <algorithm>
#include <unordered_map>

#include "server/service/policy_commit.h"

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
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<PutResult> {
    PolicyDraft draft(writer);
    const auto created = plan_egress_put(draft, put, now_ms);
    if (!created) return tl::unexpected(created.error());
    auto committed = commit_draft(writer, draft, {put.actor, rule_name(put.action, put.pattern)}, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    PutResult done;
    done.created = *created;
    done.listed.entry = writer.find_egress_entry(put.action, put.pattern).value_or(EgressEntry());
    add_use(done.listed, writer.rule_uses(kEgressLayer));
    return done;
  });
  if (result) publish(observer_, commit);
  return result;
}

Result<EgressEntry> EgressPolicy::remove(Action action, const HostPattern& pattern, const Principal& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<EgressEntry> {
    PolicyDraft draft(writer);
    auto removed = plan_egress_removal(draft, action, pattern, actor);
    if (!removed) return tl::unexpected(removed.error());
    auto committed = commit_draft(writer, draft, {actor, "remove " + rule_name(action, pattern)}, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    return *std::move(removed);
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
