// What the store holds, as plain values. No SQL, no JSON: `detail`, `resource`, `scope` and `record` are texts that the
// store keeps byte for byte and never reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/net/host_pattern.h"
#include "shared/policy/names.h"
#include "shared/policy/narrowing.h"

namespace egress::server {

// One line of the global egress table; (action, pattern) is its identity.
struct EgressEntry {
  Action action = Action::kAllow;
  HostPattern pattern;
  std::string reason;
  bool require_auth = false;
  std::optional<UnixMillis> expires_at_ms;
  std::string created_by;
  UnixMillis created_at_ms = 0;
};

// How often reported decisions named a rule of the global table.
struct RuleUse {
  std::string rule;  // "allow api.stripe.com"
  std::uint64_t hits = 0;
  UnixMillis last_used_ms = 0;
};

struct NamespaceRecord {
  std::string path;
  std::string description;
  AllowList allowed;
  std::vector<DomainEntry> blocked;
  std::optional<Mode> mode;
  std::optional<LoopbackMode> loopback;
  std::optional<LookupMode> lookups;
  std::optional<Action> default_action;  // the root's alone
  UnixMillis created_at_ms = 0;
  UnixMillis updated_at_ms = 0;
  std::uint64_t revision = 0;  // of the last change
};

// An entry of a namespace's allow-list, found without the rest of it.
struct AllowedEntry {
  std::string namespace_path;
  HostPattern pattern;
  std::optional<UnixMillis> expires_at_ms;
};

// A policy document as it was applied; (kind, namespace, name) is its identity. Namespaces and EgressDomains are not
// kept as documents: their tables are the one truth.
struct DocumentRecord {
  std::string kind;
  std::string namespace_path;  // empty: the kind lives in none
  std::string name;
  std::string source;           // a YAML stream of this one document
  std::int64_t first_line = 0;  // of `source` within the stream that was applied
  std::string created_by;
  UnixMillis created_at_ms = 0;
  UnixMillis updated_at_ms = 0;
  std::uint64_t revision = 0;  // of the last change
};

struct DocumentFilter {
  std::optional<std::string> kind{};
  std::optional<std::string> namespace_path{};
  std::optional<std::string> name{};
};

struct AuditRow {
  std::uint64_t seq = 0;
  UnixMillis time_ms = 0;
  std::string event;
  std::string actor;
  std::string namespace_path;
  std::string subject;
  std::string workload;  // the next four are empty where they do not apply
  std::string host;
  std::string verdict;
  std::string layer;
  std::string detail;
  std::string prev_hash;
  std::string hash;
};

// Members have initialisers so that a filter can name only what it sets.
struct AuditFilter {
  std::optional<std::string> event{};
  std::optional<std::string> namespace_path{};
  std::optional<std::string> subtree{};  // a namespace, with all below
  std::optional<std::string> workload{};
  std::optional<std::string> host{};
  std::optional<std::string> verdict{};
  std::optional<std::string> layer{};
  std::optional<UnixMillis> since_ms{};  // inclusive
  std::optional<UnixMillis> until_ms{};  // exclusive
  std::optional<std::string> text{};     // in subject or detail, ignoring ASCII case
  std::optional<std::uint64_t> before_seq{};
  std::size_t limit = 0;
};

// One page of a listing: at most as many rows as asked for, and at most kMaxPageBytes unless a single row is larger.
inline constexpr std::size_t kMaxPageBytes = std::size_t{8} << 20;
template <typename Row>
struct RowPage {
  std::vector<Row> rows;
  bool more = false;  // there are further rows behind the last one
};

enum class Signal : std::uint8_t { kLogs = 0, kTraces = 1 };

// A received OTLP log record or span. `attributes` holds kAttributeMark key kValueMark value for each, so that any of
// them can be filtered by.
inline constexpr char kAttributeMark = '\x1e';
inline constexpr char kValueMark = '\x1f';
struct TelemetryRow {
  std::uint64_t id = 0;
  Signal signal = Signal::kLogs;
  std::string event_id;  // empty: no de-duplication
  std::string event_name;
  UnixMillis time_ms = 0;
  std::string resource;
  std::string scope;
  std::string record;
  std::string attributes;
};

struct TelemetryFilter {
  Signal signal = Signal::kLogs;
  std::optional<UnixMillis> since_ms;
  std::optional<UnixMillis> until_ms;
  std::vector<std::pair<std::string, std::string>> attributes;  // all must hold
  std::optional<std::string> subtree{};  // whose attribute agent.namespace is this namespace or below it
  std::optional<std::uint64_t> before_id;
  std::size_t limit = 0;
};

// What an agent last said about its bundle.
struct AgentStatus {
  std::string agent_id;
  std::string namespace_path;
  std::string workload;
  std::string host;
  std::uint64_t offered = 0;  // revisions; 0: none yet
  std::uint64_t active = 0;
  std::string error;
  UnixMillis reported_at_ms = 0;
};

// How many statuses there are, by what they report.
struct AgentCounts {
  std::uint64_t newest = 0;   // active on the revision asked about
  std::uint64_t older = 0;    // on another one, or none yet
  std::uint64_t failing = 0;  // with an error, whatever is active
};

// Where a status stands in the store's order; unambiguous, because no part holds a line break.
inline std::string agent_status_key(const AgentStatus& status) {
  return status.agent_id + "\n" + status.namespace_path + "\n" + status.workload;
}

// A bearer token; only its SHA-256 is kept. Revoked ones stay, so that the server remembers that it was closed once.
enum class TokenKind : std::uint8_t { kUser = 0, kWorkload = 1 };
struct TokenRecord {
  std::string id;
  TokenKind kind = TokenKind::kUser;
  std::string name;            // kWorkload: the workload's
  std::uint8_t role = 0;       // kUser: the service's Role
  std::string namespace_path;  // kUser: the scope; kWorkload: where the workload is registered
  std::string sha256;          // 64 hex digits, over the token's text
  std::optional<UnixMillis> expires_at_ms;
  std::string created_by;
  UnixMillis created_at_ms = 0;
  std::optional<UnixMillis> revoked_at_ms;
};

// A registered workload; (namespace, name) is its identity.
struct WorkloadRecord {
  std::string namespace_path;
  std::string name;
  std::map<std::string, std::string> labels;
  std::string target;
  std::string token_id;  // of its current token
  std::string created_by;
  UnixMillis created_at_ms = 0;
  UnixMillis updated_at_ms = 0;
};

// One policy change, and what it changed: the contents before and after of each object, as texts of the service's.
struct RevisionRecord {
  std::uint64_t number = 0;
  UnixMillis time_ms = 0;
  std::string actor;
  std::string summary;
  std::size_t changes = 0;  // how many RevisionChanges it has
};
struct RevisionChange {
  std::uint64_t revision = 0;
  std::string kind;                   // "egress", "namespace", "document", "mode"
  std::string subject;                // identity within the kind
  std::optional<std::string> before;  // nullopt: was not there
  std::optional<std::string> after;   // nullopt: is gone
};

struct StoredLayer {
  std::string hash;  // 64 hex digits
  std::string id;
  std::vector<std::byte> bytes;
};

}  // namespace egress::server
