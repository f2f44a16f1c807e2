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
  if (allowed_defined) record.allowed.emplace();
  for (PlacedEntry& placed : read_list(record.path, Action::kDeny)) record.blocked.push_back(std::move(placed.entry));
  if (!allowed_defined) return record;
  for (PlacedEntry& placed : read_list(record.path, Action::kAllow)) {
    record.allowed->push_back(std::move(placed.entry));
  }
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

std::vector<std::string> SqliteTransaction::descendant_paths(std::string_view path, std::size_t limit) {
  const PathRange range = range_below(path);
  Query query(connection_, "SELECT path FROM namespaces WHERE path >= ? AND path < ? ORDER BY path LIMIT ?");
  query.bind(range.first).bind(range.end).bind(static_cast<std::int64_t>(limit));
  std::vector<std::string> paths;
  while (query.step()) paths.push_back(query.text());
  return paths;
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

std::vector<std::string> SqliteTransaction::namespaces_with_expired_grants(UnixMillis after_ms, UnixMillis until_ms) {
  // "IS NOT NULL" lets the partial index serve.
  Query query(connection_,
              "SELECT DISTINCT namespace FROM namespace_domains WHERE expires_at_ms IS NOT NULL AND expires_at_ms > ? "
              "AND expires_at_ms <= ? AND action = ? ORDER BY namespace");
  query.bind(after_ms).bind(until_ms).bind(static_cast<std::int64_t>(Action::kAllow));
  std::vector<std::string> paths;
  while (query.step()) paths.push_back(query.text());
  return paths;
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
  put_list(record.path, Action::kAllow, record.allowed.value_or(std::vector<DomainEntry>()));
  put_list(record.path, Action::kDeny, record.blocked);
}

bool SqliteTransaction::remove_namespace(std::string_view path) {
  put_list(std::string(path), Action::kAllow, {});  // and what is indexed of it; the blocked go with the row
  Query query(connection_, "DELETE FROM namespaces WHERE path = ?");
  query.bind(path).run();
  return sqlite3_changes(connection_.handle()) > 0;
}

}  // namespace egress::server
