#include "server/store/sqlite/transaction.h"

namespace egress::server {

std::vector<DocumentRecord> SqliteTransaction::documents(const DocumentFilter& filter) {
  Query query(connection_,
              "SELECT kind, namespace, name, source, first_line, created_by, created_at_ms, updated_at_ms, revision "
              "FROM documents WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR namespace = ?2) AND "
              "(?3 IS NULL OR name = ?3) ORDER BY kind, namespace, name");
  query.bind(filter.kind).bind(filter.namespace_path).bind(filter.name);
  std::vector<DocumentRecord> records;
  while (query.step()) {
    DocumentRecord record;
    record.kind = query.text();
    record.namespace_path = query.text();
    record.name = query.text();
    record.source = query.text();
    record.first_line = query.integer();
    record.created_by = query.text();
    record.created_at_ms = query.integer();
    record.updated_at_ms = query.integer();
    record.revision = query.unsigned_integer();
    records.push_back(std::move(record));
  }
  return records;
}

void SqliteTransaction::put_document(const DocumentRecord& record) {
  Query(connection_,
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET source = excluded.source, "
        "first_line = excluded.first_line, updated_at_ms = excluded.updated_at_ms, revision = excluded.revision")
      .bind(record.kind)
      .bind(record.namespace_path)
      .bind(record.name)
      .bind(record.source)
      .bind(record.first_line)
      .bind(record.created_by)
      .bind(record.created_at_ms)
      .bind(record.updated_at_ms)
      .bind(record.revision)
      .run();
}

bool SqliteTransaction::remove_document(std::string_view kind, std::string_view namespace_path, std::string_view name) {
  Query query(connection_, "DELETE FROM documents WHERE kind = ? AND namespace = ? AND name = ?");
  query.bind(kind).bind(namespace_path).bind(name).run();
  return sqlite3_changes(connection_.handle()) > 0;
}

}  // namespace egress::server
