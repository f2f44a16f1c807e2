// Failed authentication: how many attempts a peer has left, and what the audit says about them. A peer is an IPv4
// address or an IPv6 /64. Each has a bucket of attempts, and whatever unknown secret it offers beyond that is refused
// as rate_limited. A valid token is never held back: 256 bits cannot be guessed, and others behind the same address
// must not be locked out. Nor is the news kept from whoever holds a token that was revoked or has expired,
// or a session's cookie that is over.
//
// The audit gets at most one row (authentication_failed) a peer and minute, and kMaxRowsPerMinute in all, with the
// number of failures since the last; what was offered is never written anywhere. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/net/address.h"

namespace egress::server {

struct AuthFailureLimits {
  std::uint32_t burst = 10;
  UnixMillis refill_ms = 6'000;  // one more attempt
  UnixMillis row_interval_ms = 60'000;
  std::size_t max_rows_per_interval = 60;
  std::size_t max_peers = 4'096;  // the one unseen for longest makes room
};

struct FailedAttempt {
  Address peer;
  std::string path;
  std::string reason;    // a code: "unauthenticated", "token_expired"
  bool is_guess = true;  // a secret that nobody has; only these cost an attempt
};

class AuthFailures {
 public:
  AuthFailures(Store& store, const Clock& clock, AuthFailureLimits limits = {})
      : store_(store), clock_(clock), limits_(limits) {}

  // Called by note() on its caller's thread with each attempt and whether it was held back, without a lock held. Set
  // once, before any request.
  using Observer = std::function<void(const FailedAttempt& attempt, bool held_back)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  struct Noted {
    std::optional<std::int64_t> retry_after_s;  // there: the peer has no attempts left
    bool row_due = false;                       // record() has something to write
  };
  // Never blocks on the store.
  Noted note(const FailedAttempt& attempt);

  // Writes the rows that are due. Blocks.
  Result<void> record() { return write(false); }
  // Writes whatever was not written yet; when the server stops.
  Result<void> record_all() { return write(true); }

 private:
  struct Peer {
    Address address;
    double attempts = 0;
    UnixMillis refilled_at_ms = 0;
    std::optional<UnixMillis> row_at_ms;  // of the last row
    std::uint64_t unwritten = 0;
    std::string path;  // of the last failure
    std::string reason;
  };
  struct Row {
    std::string peer;
    std::string path;
    std::string reason;
    std::uint64_t count = 0;
  };
  Noted note_locked(const FailedAttempt& attempt, UnixMillis now_ms);
  Peer& touch_locked(Address address, UnixMillis now_ms);
  bool is_due_locked(const Peer& peer, UnixMillis now_ms);
  std::vector<Row> take_rows_locked(bool all, UnixMillis now_ms);
  Result<void> write(bool all);

  Store& store_;
  const Clock& clock_;
  const AuthFailureLimits limits_;
  Observer observer_;
  std::mutex mutex_;
  std::list<Peer> peers_;  // seen last first
  std::map<Address, std::list<Peer>::iterator> by_address_;
  std::uint64_t forgotten_ = 0;  // unwritten failures of peers that made room
  UnixMillis interval_start_ms_ = 0;
  std::size_t rows_in_interval_ = 0;
};

}  // namespace egress::server
