#include "preload/agent/session_table.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "preload/agent/file_policy.h"
#include "preload/agent/policy_sync.h"

namespace egress {

Expected<SessionEntry*> SessionTable::find_or_create(SessionIdentity identity) {
  const SessionKey key = identity.key;
  if (const auto known = entries_.find(key); known != entries_.end()) {
    known->second.unused_since_ms = 0;
    return &known->second;
  }
  const auto of_uid =
      std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first.uid == key.uid; });
  if (entries_.size() >= kMaxSessions || static_cast<std::size_t>(of_uid) >= kMaxSessionsPerUid) {
    return fail(ErrorCode::kTooLarge, "the agent holds as many sessions as it can (" +
                                          std::to_string(kMaxSessionsPerUid) +
                                          " a user): use fewer different EGRESS_* settings at once");
  }
  PolicyRegistry::Text policy_file;
  if (identity.file) {
    policy_file = services_.policies.find(key.uid, identity.file->digest);
    if (policy_file == nullptr) {
      return fail(ErrorCode::kNotFound, "EGRESS_SERVER: the agent has no policy " + identity.file->text() +
                                            " (any more): start the command again with egress exec --policy");
    }
  }
  // The uploader exists before the session has anything to say, and the session before the uploader can be made.
  auto late_uploader = std::make_shared<std::weak_ptr<Uploader>>();
  std::function<void()> on_queued;
  if (policy_file == nullptr) {
    on_queued = [late_uploader] {
      if (const auto uploader = late_uploader->lock()) uploader->notify();
    };
  }
  auto created = Session::create(next_id_, std::move(identity), services_.clock, std::move(on_queued));
  if (!created) return tl::unexpected(created.error());
  ++next_id_;
  SessionEntry entry;
  entry.session = std::move(*created);
  if (policy_file != nullptr) {
    entry.source = std::make_shared<FilePolicy>(services_, entry.session, std::move(policy_file));
  } else {
    entry.source = std::make_shared<PolicySync>(services_, entry.session);
    entry.uploader = std::make_shared<Uploader>(services_.executor, entry.session, services_.host_name);
    *late_uploader = entry.uploader;
    entry.uploader->start();
  }
  entry.source->start();
  spdlog::info("session {}: server {}, namespace {}, workload \"{}\", user {}", entry.session->id(), key.server,
               key.namespace_path, key.workload, key.uid);
  return &entries_.emplace(key, std::move(entry)).first->second;
}

void SessionTable::end(SessionEntry& entry) {
  entry.source->stop();
  if (entry.uploader != nullptr) entry.uploader->stop();
  ended_totals_ += entry.session->events().totals();
}

void SessionTable::tick(const std::function<bool(const Session&)>& is_used) {
  const UnixMillis now_ms = services_.clock.now_ms();
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto current = it++;
    SessionEntry& entry = current->second;
    entry.session->events().tick(now_ms);
    if (is_used(*entry.session)) {
      entry.unused_since_ms = 0;
      continue;
    }
    if (entry.unused_since_ms == 0 || now_ms < entry.unused_since_ms) entry.unused_since_ms = now_ms;
    if (now_ms - entry.unused_since_ms < kUnusedSessionMs || !entry.session->events().is_drained()) continue;
    spdlog::info("session {}: ended, unused", entry.session->id());
    end(entry);
    entries_.erase(current);
  }
  services_.policies.tick([this](uid_t uid, const Sha256& policy_file) { return is_named(uid, policy_file); }, now_ms);
}

bool SessionTable::is_named(uid_t uid, const Sha256& policy_file) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
    const auto& file = entry.second.session->identity().file;
    return entry.first.uid == uid && file && file->digest == policy_file;
  });
}

void SessionTable::flush_events() {
  for (auto& [key, entry] : entries_) entry.session->events().flush(services_.clock.now_ms());
}

bool SessionTable::is_drained() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.session->events().is_drained(); });
}

EventTotals SessionTable::totals() const {
  EventTotals totals = ended_totals_;
  for (const auto& [key, entry] : entries_) totals += entry.session->events().totals();
  return totals;
}

void SessionTable::stop() {
  for (auto& [key, entry] : entries_) end(entry);
}

}  // namespace egress
