#include "server/service/auth_failures.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxPathBytes = 200;
constexpr UnixMillis kMsPerS = 1000;

// Whoever has one IPv6 address has its /64.
Address peer_of(Address address) { return is_ipv4(address) ? address : Address{address.high, 0}; }

std::string text_of(Address peer) { return is_ipv4(peer) ? format_address(peer) : format_address(peer) + "/64"; }

}  // namespace

AuthFailures::Peer& AuthFailures::touch_locked(Address address, UnixMillis now_ms) {
  const auto known = by_address_.find(address);
  if (known != by_address_.end()) {
    peers_.splice(peers_.begin(), peers_, known->second);
  } else {
    if (peers_.size() >= limits_.max_peers) {
      forgotten_ += peers_.back().unwritten;
      by_address_.erase(peers_.back().address);
      peers_.pop_back();
    }
    Peer peer;
    peer.address = address;
    peer.attempts = limits_.burst;
    peer.refilled_at_ms = now_ms;
    peers_.push_front(std::move(peer));
    by_address_.emplace(address, peers_.begin());
  }
  Peer& peer = peers_.front();
  const UnixMillis elapsed_ms = std::max(now_ms - peer.refilled_at_ms, UnixMillis{0});  // the clock may be set back
  peer.attempts = std::min<double>(
      limits_.burst, peer.attempts + static_cast<double>(elapsed_ms) / static_cast<double>(limits_.refill_ms));
  peer.refilled_at_ms = now_ms;
  return peer;
}

AuthFailures::Noted AuthFailures::note(const FailedAttempt& attempt) {
  const UnixMillis now_ms = clock_.now_ms();
  const Noted noted = [&] {
    const std::lock_guard lock(mutex_);
    return note_locked(attempt, now_ms);
  }();
  if (observer_) observer_(attempt, noted.retry_after_s.has_value());
  return noted;
}

AuthFailures::Noted AuthFailures::note_locked(const FailedAttempt& attempt, UnixMillis now_ms) {
  Peer& peer = touch_locked(peer_of(attempt.peer), now_ms);
  ++peer.unwritten;
  peer.path = attempt.path.substr(0, kMaxPathBytes);
  peer.reason = attempt.reason;
  Noted noted;
  noted.row_due = is_due_locked(peer, now_ms);
  if (!attempt.is_guess) return noted;
  if (peer.attempts >= 1) {
    peer.attempts -= 1;
    return noted;
  }
  const double missing_ms = (1 - peer.attempts) * static_cast<double>(limits_.refill_ms);
  noted.retry_after_s = std::max<std::int64_t>(1, std::llround(std::ceil(missing_ms / kMsPerS)));
  return noted;
}

bool AuthFailures::is_due_locked(const Peer& peer, UnixMillis now_ms) {
  if (peer.unwritten == 0) return false;
  if (peer.row_at_ms && std::abs(now_ms - *peer.row_at_ms) < limits_.row_interval_ms) return false;
  if (std::abs(now_ms - interval_start_ms_) >= limits_.row_interval_ms) {
    interval_start_ms_ = now_ms;
    rows_in_interval_ = 0;
  }
  return rows_in_interval_ < limits_.max_rows_per_interval;
}

std::vector<AuthFailures::Row> AuthFailures::take_rows_locked(bool all, UnixMillis now_ms) {
  std::vector<Row> rows;
  for (Peer& peer : peers_) {
    const bool wanted = all ? peer.unwritten > 0 : is_due_locked(peer, now_ms);
    if (!wanted) continue;
    rows.push_back({text_of(peer.address), peer.path, peer.reason, peer.unwritten});
    peer.unwritten = 0;
    peer.row_at_ms = now_ms;
    ++rows_in_interval_;
  }
  if (forgotten_ > 0 && (all || !rows.empty())) {
    rows.push_back({"others", "", "too_many_peers", forgotten_});
    forgotten_ = 0;
  }
  return rows;
}

Result<void> AuthFailures::write(bool all) {
  const UnixMillis now_ms = clock_.now_ms();
  std::vector<Row> rows;
  {
    const std::lock_guard lock(mutex_);
    rows = take_rows_locked(all, now_ms);
  }
  if (rows.empty()) return {};
  return store_.write([&](Writer& writer) -> Result<void> {
    for (const Row& row : rows) {
      AuditEvent event;
      event.event = "authentication_failed";
      event.actor = "anonymous";
      event.namespace_path = std::string(kRootNamespace);
      event.subject = row.peer;
      nlohmann::ordered_json detail = nlohmann::ordered_json::object();
      detail["peer"] = row.peer;
      detail["path"] = row.path;
      detail["reason"] = row.reason;
      detail["count"] = row.count;
      append_audit(writer, now_ms, event, detail);
    }
    return {};
  });
}

}  // namespace egress::server
