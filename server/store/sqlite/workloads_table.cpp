#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/path_range.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kColumns =
    "SELECT namespace, name, target, token_id, created_by, created_at_ms, updated_at_ms FROM workloads";

}  // namespace

WorkloadRecord SqliteTransaction::read_workload(Query& query) {
  WorkloadRecord record;
  record.namespace_path = query.text();
  record.name = query.text();
  record.target = query.text();
  record.token_id = query.text();
  record.created_by = query.text();
  record.created_at_ms = query.integer();
  record.updated_at_ms = query.integer();
  Query labels(connection_, "SELECT key, value FROM workload_labels WHERE namespace = ? AND workload = ?");
  labels.bind(record.namespace_path).bind(record.name);
  while (labels.step()) {
    std::string key = labels.text();
    record.labels[std::move(key)] = labels.text();
  }
  return record;
}

std::optional<WorkloadRecord> SqliteTransaction::find_workload(std::string_view namespace_path, std::string_view name) {
  Query query(connection_, std::string(kColumns) + " WHERE namespace = ? AND name = ?");
  query.bind(namespace_path).bind(name);
  if (!query.step()) return std::nullopt;
  return read_workload(query);
}

RowPage<WorkloadRecord> SqliteTransaction::workloads(std::string_view subtree, std::string_view after_namespace,
                                                     std::string_view after_name, std::size_t limit) {
  const PathRange below = range_below(subtree);
  Query query(connection_, std::string(kColumns) +
                               " WHERE (namespace = ?1 OR (namespace >= ?2 AND namespace < ?3)) AND "
                               "(namespace, name) > (?4, ?5) ORDER BY namespace, name LIMIT ?6");
  query.bind(subtree).bind(below.first).bind(below.end).bind(after_namespace).bind(after_name);
  query.bind(static_cast<std::int64_t>(limit + 1));
  PageFiller<WorkloadRecord> page(limit);
  while (query.step()) {
    WorkloadRecord record = read_workload(query);
    std::size_t size = sizeof record + record.name.size() + record.target.size();
    for (const auto& [key, value] : record.labels) size += key.size() + value.size();
    if (!page.add(std::move(record), size)) break;
  }
  return page.take();
}

void SqliteTransaction::put_workload(const WorkloadRecord& record) {
  Query(connection_,
        "INSERT INTO workloads VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET target = excluded.target, "
        "token_id = excluded.token_id, updated_at_ms = excluded.updated_at_ms")
      .bind(record.namespace_path)
      .bind(record.name)
      .bind(record.target)
      .bind(record.token_id)
      .bind(record.created_by)
      .bind(record.created_at_ms)
      .bind(record.updated_at_ms)
      .run();
  Query(connection_, "DELETE FROM workload_labels WHERE namespace = ? AND workload = ?")
      .bind(record.namespace_path)
      .bind(record.name)
      .run();
  for (const auto& [key, value] : record.labels) {
    Query(connection_, "INSERT INTO workload_labels VALUES (?, ?, ?, ?)")
        .bind(record.namespace_path)
        .bind(record.name)
        .bind(key)
        .bind(value)
        .run();
  }
}

bool SqliteTransaction::remove_workload(std::string_view namespace_path, std::string_view name) {
  Query query(connection_, "DELETE FROM workloads WHERE namespace = ? AND name = ?");
  query.bind(namespace_path).bind(name).run();
  return sqlite3_changes(connection_.handle()) > 0;
}

}  // namespace egress::server
