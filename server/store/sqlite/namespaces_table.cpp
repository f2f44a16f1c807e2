#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/path_range.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kColumns =
    "SELECT path, description, allowed_defined, mode, loopback, lookups, default_action, created_at_ms, updated_at_ms, "
    "revision FROM namespaces";

template <typename Enum>
std::optional<Enum> enum_of(std::optional<std::int64_t> number) {
  if (!number) return std::nullopt;
  return static_cast<Enum>(*number);
}

template <typename Enum>
std::optional<std::int64_t> number_of(std::optional<Enum> value) {
  if (!value) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::size_t size_of(const std::vector<DomainEntry>& entries) {
  std::size_t bytes = 0;
  for (const DomainEntry& entry : entries) bytes += sizeof entry + entry.pattern.text.size() + entry.reason.size();
  return bytes;
}

std::size_t size_of(const NamespaceRecord& record) {
  return sizeof record + record.description.size() + size_of(record.blocked) +
         (record.allowed ? size_of(*record.allowed) : 0);
}

}  // namespace

void SqliteTransaction::read_domains(NamespaceRecord& record, bool allowed_defined) {
  if (allowed_defined) record.allowed.emplace();
  Query query(connection_,
              "SELECT action, pattern, reason, expires_at_ms FROM namespace_domains WHERE namespace = ? "
              "ORDER BY action, position");
  query.bind(record.path);
  while (query.step()) {
    const auto action = static_cast<Action>(query.integer());
    DomainEntry entry;
    entry.pattern = read_pattern(query.text());
    entry.reason = query.text();
    entry.expires_at_ms = query.optional_integer();
    if (action == Action::kDeny) {
      record.blocked.push_back(std::move(entry));
    } else if (record.allowed) {
      record.allowed->push_back(std::move(entry));
    }
  }
}

NamespaceRecord SqliteTransaction::read_namespace(Query& query) {
  NamespaceRecord record;
  record.path = query.text();
  record.description = query.text();
  const bool allowed_defined = query.integer() != 0;
  record.mode = enum_of<Mode>(query.optional_integer());
  record.loopback = enum_of<LoopbackMode>(query.optional_integer());
  record.lookups = enum_of<LookupMode>(query.optional_integer());
  record.default_action = enum_of<Action>(query.optional_integer());
  record.created_at_ms = query.integer();
  record.updated_at_ms = query.integer();
  record.revision = query.unsigned_integer();
  read_domains(record, allowed_defined);
  return record;
}

std::optional<NamespaceRecord> SqliteTransaction::find_namespace(std::string_view path) {
  Query query(connection_, std::string(kColumns) + " WHERE path = ?");
  query.bind(path);
  if (!query.step()) return std::nullopt;
  return read_namespace(query);
}

RowPage<NamespaceRecord> SqliteTransaction::namespaces(std::string_view after, std::size_t limit) {
  Query query(connection_, std::string(kColumns) + " WHERE path > ? ORDER BY path LIMIT ?");
  query.bind(after).bind(static_cast<std::int64_t>(limit + 1));
  PageFiller<NamespaceRecord> page(limit);
  while (query.step()) {
    NamespaceRecord record = read_namespace(query);
    const std::size_t size = size_of(record);
    if (!page.add(std::move(record), size)) break;
  }
  return page.take();
}

RowPage<NamespaceRecord> SqliteTransaction::namespaces_in(std::string_view subtree, std::string_view after,
                                                          std::size_t limit) {
  const PathRange range = range_below(subtree);
  Query query(connection_, std::string(kColumns) +
                               " WHERE path > ? AND (path = ? OR (path >= ? AND path < ?)) ORDER BY path LIMIT ?");
  query.bind(after).bind(subtree).bind(range.first).bind(range.end).bind(static_cast<std::int64_t>(limit + 1));
  PageFiller<NamespaceRecord> page(limit);
  while (query.step()) {
    NamespaceRecord record = read_namespace(query);
    const std::size_t size = size_of(record);
    if (!page.add(std::move(record), size)) break;
  }
  return page.take();
}

std::vector<NamespaceRecord> SqliteTransaction::descendants(std::string_view path) {
  const PathRange range = range_below(path);
  Query query(connection_, std::string(kColumns) + " WHERE path >= ? AND path < ? ORDER BY path");
  query.bind(range.first).bind(range.end);
  std::vector<NamespaceRecord> records;
  while (query.step()) records.push_back(read_namespace(query));
  return records;
}

bool SqliteTransaction::has_descendants(std::string_view path) {
  const PathRange range = range_below(path);
  Query query(connection_, "SELECT 1 FROM namespaces WHERE path >= ? AND path < ? LIMIT 1");
  query.bind(range.first).bind(range.end);
  return query.step();
}

std::size_t SqliteTransaction::namespace_count() {
  Query query(connection_, "SELECT count(*) FROM namespaces");
  return query.step() ? static_cast<std::size_t>(query.unsigned_integer()) : 0;
}

void SqliteTransaction::put_domains(const std::string& path, Action action, const std::vector<DomainEntry>& entries) {
  std::int64_t position = 0;
  for (const DomainEntry& entry : entries) {
    const std::string pattern = format_host_pattern(entry.pattern);
    Query(connection_, "INSERT INTO namespace_domains VALUES (?, ?, ?, ?, ?, ?)")
        .bind(path)
        .bind(static_cast<std::int64_t>(action))
        .bind(position++)
        .bind(pattern)
        .bind(entry.reason)
        .bind(entry.expires_at_ms)
        .run();
  }
}

void SqliteTransaction::put_namespace(const NamespaceRecord& record) {
  Query(connection_,
        "INSERT INTO namespaces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "description = excluded.description, allowed_defined = excluded.allowed_defined, mode = excluded.mode, "
        "loopback = excluded.loopback, lookups = excluded.lookups, default_action = excluded.default_action, "
        "updated_at_ms = excluded.updated_at_ms, revision = excluded.revision")
      .bind(record.path)
      .bind(record.description)
      .bind(record.allowed.has_value())
      .bind(number_of(record.mode))
      .bind(number_of(record.loopback))
      .bind(number_of(record.lookups))
      .bind(number_of(record.default_action))
      .bind(record.created_at_ms)
      .bind(record.updated_at_ms)
      .bind(record.revision)
      .run();
  Query(connection_, "DELETE FROM namespace_domains WHERE namespace = ?").bind(record.path).run();
  if (record.allowed) put_domains(record.path, Action::kAllow, *record.allowed);
  put_domains(record.path, Action::kDeny, record.blocked);
}

bool SqliteTransaction::remove_namespace(std::string_view path) {
  Query query(connection_, "DELETE FROM namespaces WHERE path = ?");
  query.bind(path).run();
  return sqlite3_changes(connection_.handle()) > 0;
}

}  // namespace egress::server
