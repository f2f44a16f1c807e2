#include "preload/agent/policy_registry.h"

namespace egress {

Expected<void> PolicyRegistry::add(uid_t uid, const Sha256& digest, Text text, UnixMillis now_ms) {
  if (const auto known = policies_.find({uid, digest}); known != policies_.end()) {
    known->second.registered_at_ms = now_ms;
    return {};
  }
  std::size_t count = 0;
  std::size_t bytes = text->size();
  for (const auto& [key, entry] : policies_) {
    if (key.first != uid) continue;
    ++count;
    bytes += entry.text->size();
  }
  if (policies_.size() >= kMaxPolicies || count >= kMaxPoliciesPerUid || bytes > kMaxPolicyBytesPerUid) {
    return fail(ErrorCode::kTooLarge,
                "the agent holds as many policy files as it can (" + std::to_string(kMaxPoliciesPerUid) + " and " +
                    std::to_string(kMaxPolicyBytesPerUid >> 20) + " MiB a user): end commands that run under others");
  }
  policies_.emplace(std::pair(uid, digest), Entry{std::move(text), now_ms});
  return {};
}

PolicyRegistry::Text PolicyRegistry::find(uid_t uid, const Sha256& digest) const {
  const auto found = policies_.find({uid, digest});
  return found == policies_.end() ? nullptr : found->second.text;
}

void PolicyRegistry::tick(const std::function<bool(uid_t, const Sha256&)>& is_named, UnixMillis now_ms) {
  for (auto it = policies_.begin(); it != policies_.end();) {
    const auto current = it++;
    Entry& entry = current->second;
    if (now_ms < entry.registered_at_ms) entry.registered_at_ms = now_ms;  // the clock jumped back
    if (now_ms - entry.registered_at_ms < kUnclaimedPolicyMs) continue;
    if (!is_named(current->first.first, current->first.second)) policies_.erase(current);
  }
}

}  // namespace egress
