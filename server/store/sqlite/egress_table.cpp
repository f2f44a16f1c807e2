#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kColumns =
    "SELECT action, pattern, reason, require_auth, expires_at_ms, created_by, created_at_ms FROM egress_entries";

std::int64_t number_of(Action action) { return static_cast<std::int64_t>(action); }

}  // namespace

HostPattern SqliteTransaction::read_pattern(const std::string& text) {
  auto parsed = parse_host_pattern(text);
  if (parsed) return parsed->pattern;
  connection_.set_failure(SQLITE_CORRUPT);
  return {};
}

std::vector<EgressEntry> SqliteTransaction::egress_entries() {
  Query query(connection_, std::string(kColumns) + " ORDER BY action, pattern");
  std::vector<EgressEntry> entries;
  while (query.step()) {
    EgressEntry entry;
    entry.action = static_cast<Action>(query.integer());
    entry.pattern = read_pattern(query.text());
    entry.reason = query.text();
    entry.require_auth = query.integer() != 0;
    entry.expires_at_ms = query.optional_integer();
    entry.created_by = query.text();
    entry.created_at_ms = query.integer();
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<EgressEntry> SqliteTransaction::find_egress_entry(Action action, const HostPattern& pattern) {
  const std::string text = format_host_pattern(pattern);
  Query query(connection_, std::string(kColumns) + " WHERE action = ? AND pattern = ?");
  query.bind(number_of(action)).bind(text);
  if (!query.step()) return std::nullopt;
  EgressEntry entry;
  query.integer();
  query.text();
  entry.action = action;
  entry.pattern = pattern;
  entry.reason = query.text();
  entry.require_auth = query.integer() != 0;
  entry.expires_at_ms = query.optional_integer();
  entry.created_by = query.text();
  entry.created_at_ms = query.integer();
  return entry;
}

void SqliteTransaction::put_egress_entry(const EgressEntry& entry) {
  const std::string pattern = format_host_pattern(entry.pattern);
  Query(connection_,
        "INSERT INTO egress_entries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason, "
        "require_auth = excluded.require_auth, expires_at_ms = excluded.expires_at_ms")
      .bind(number_of(entry.action))
      .bind(pattern)
      .bind(entry.reason)
      .bind(entry.require_auth)
      .bind(entry.expires_at_ms)
      .bind(entry.created_by)
      .bind(entry.created_at_ms)
      .run();
}

bool SqliteTransaction::remove_egress_entry(Action action, const HostPattern& pattern) {
  const std::string text = format_host_pattern(pattern);
  Query query(connection_, "DELETE FROM egress_entries WHERE action = ? AND pattern = ?");
  query.bind(number_of(action)).bind(text).run();
  return sqlite3_changes(connection_.handle()) > 0;
}

std::vector<RuleUse> SqliteTransaction::rule_uses(std::string_view layer) {
  Query query(connection_, "SELECT rule, hits, last_used_ms FROM rule_uses WHERE layer = ?");
  query.bind(layer);
  std::vector<RuleUse> uses;
  while (query.step()) {
    RuleUse use;
    use.rule = query.text();
    use.hits = query.unsigned_integer();
    use.last_used_ms = query.integer();
    uses.push_back(std::move(use));
  }
  return uses;
}

void SqliteTransaction::add_rule_use(std::string_view layer, const RuleUse& use) {
  Query(
      connection_,
      "INSERT INTO rule_uses VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET hits = min(hits + excluded.hits, 1 << 60), "
      "last_used_ms = max(last_used_ms, excluded.last_used_ms)")
      .bind(layer)
      .bind(use.rule)
      .bind(use.hits)
      .bind(use.last_used_ms)
      .run();
}

void SqliteTransaction::forget_rule_use(std::string_view layer, std::string_view rule) {
  Query(connection_, "DELETE FROM rule_uses WHERE layer = ? AND rule = ?").bind(layer).bind(rule).run();
}

}  // namespace egress::server
