// Every session with what keeps it current: the source of its policy and its uploader. Equal identities share one.
// Runs on the agent's main thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "preload/agent/policy_source.h"
#include "preload/agent/session.h"
#include "preload/agent/uploader.h"

namespace egress {

inline constexpr std::size_t kMaxSessions = 256;
inline constexpr std::size_t kMaxSessionsPerUid = 64;
inline constexpr std::int64_t kUnusedSessionMs = 60'000;  // kept so long, for the next short-lived process

struct SessionEntry {
  std::shared_ptr<Session> session;
  std::shared_ptr<PolicySource> source;
  std::shared_ptr<Uploader> uploader;  // nullptr: the policy is a file's, and nobody takes the records
  UnixMillis unused_since_ms = 0;      // 0: in use
};

class SessionTable {
 public:
  explicit SessionTable(SyncServices& services) : services_(services) {}

  // kTooLarge past the limits, kNotFound if the policy file it names is not registered (any more).
  Expected<SessionEntry*> find_or_create(SessionIdentity identity);

  const std::map<SessionKey, SessionEntry>& entries() const { return entries_; }

  // Time passes: folds close their windows, sessions that nobody used for a while end, and so do policy
  // files that no session names.
  void tick(const std::function<bool(const Session&)>& is_used);

  void flush_events();
  bool is_drained() const;
  // Events of sessions that ended, too.
  EventTotals totals() const;
  void stop();

 private:
  bool is_named(uid_t uid, const Sha256& policy_file) const;
  void end(SessionEntry& entry);

  SyncServices& services_;
  std::map<SessionKey, SessionEntry> entries_;
  EventTotals ended_totals_;
  std::uint64_t next_id_ = 1;
};

}  // namespace egress
