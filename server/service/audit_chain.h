// The append-only, hash-chained audit (control-plane.md, "Audit"): every row's hash covers the previous row's hash and
// the row's own canonical JSON, so that a changed, removed or reordered row is visible to whoever recomputes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "server/store/store.h"

namespace egress::server {

// What prev_hash of the first row is.
inline constexpr std::string_view kGenesisHash = "0000000000000000000000000000000000000000000000000000000000000000";

struct AuditEvent {
  std::string event;
  std::string actor;
  std::string namespace_path;
  std::string subject;
  std::string workload;  // the next four are empty where they do not apply
  std::string host;
  std::string verdict;
  std::string layer;
};

// Appends a row within the transaction that makes the change it speaks of.
void append_audit(Writer& writer, UnixMillis now_ms, const AuditEvent& event, const nlohmann::ordered_json& detail);

// {"seq", "time", "event", "actor", "namespace", "subject", "detail"} without white space, `detail` as stored.
std::string canonical_json(const AuditRow& row);

// SHA-256 over prev_hash (64 hex digits) followed by the canonical JSON, in hex.
std::string audit_hash(const AuditRow& row);

}  // namespace egress::server
