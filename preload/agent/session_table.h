// Every session with what keeps it current: its policy synchronisation and its uploader. Equal identities share one.
// Runs on the agent's main thread.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "preload/agent/policy_sync.h"
#include "preload/agent/session.h"
#include "preload/agent/uploader.h"

namespace egress {

inline constexpr std::size_t kMaxSessions = 256;
inline constexpr std::size_t kMaxSessionsPerUid = 64;
inline constexpr std::int64_t kUnusedSessionMs = 60'000;  // kept so long, for the next short-lived process

struct SessionEntry {
  std::shared_ptr<Session> session;
  std::shared_ptr<PolicySync> sync;
  std::shared_ptr<Uploader> uploader;
  UnixMillis unused_since_ms = 0;  // 0: in use
};

class SessionTable {
 public:
  explicit SessionTable(SyncServices& services) : services_(services) {}

  // kTooLarge past the limits.
  Expected<SessionEntry*> find_or_create(SessionIdentity identity);

  const std::map<SessionKey, SessionEntry>& entries() const { return entries_; }

  // Time passes: folds close their windows, sessions that nobody used for a while end.
  void tick(const std::function<bool(const Session&)>& is_used);

  void flush_events();
  bool is_drained() const;
  // Events of sessions that ended, too.
  EventTotals totals() const;
  void stop();

 private:
  void end(SessionEntry& entry);

  SyncServices& services_;
  std::map<SessionKey, SessionEntry> entries_;
  EventTotals ended_totals_;
  std::uint64_t next_id_ = 1;
};

}  // namespace egress
