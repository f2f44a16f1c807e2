#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kColumns =
    "SELECT id, kind, name, role, namespace, sha256, expires_at_ms, created_by, created_at_ms, revoked_at_ms "
    "FROM tokens";

TokenRecord read_token(Query& query) {
  TokenRecord record;
  record.id = query.text();
  record.kind = static_cast<TokenKind>(query.integer());
  record.name = query.text();
  record.role = static_cast<std::uint8_t>(query.integer());
  record.namespace_path = query.text();
  record.sha256 = query.text();
  record.expires_at_ms = query.optional_integer();
  record.created_by = query.text();
  record.created_at_ms = query.integer();
  record.revoked_at_ms = query.optional_integer();
  return record;
}

}  // namespace

std::vector<TokenRecord> SqliteTransaction::tokens() {
  Query query(connection_, std::string(kColumns) + " ORDER BY id");
  std::vector<TokenRecord> records;
  while (query.step()) records.push_back(read_token(query));
  return records;
}

std::vector<TokenRecord> SqliteTransaction::user_tokens() {
  Query query(connection_, std::string(kColumns) + " WHERE kind = ? ORDER BY id");
  query.bind(static_cast<std::int64_t>(TokenKind::kUser));
  std::vector<TokenRecord> records;
  while (query.step()) records.push_back(read_token(query));
  return records;
}

std::optional<TokenRecord> SqliteTransaction::find_token(std::string_view id) {
  Query query(connection_, std::string(kColumns) + " WHERE id = ?");
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_token(query);
}

void SqliteTransaction::put_token(const TokenRecord& record) {
  Query(connection_,
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "expires_at_ms = excluded.expires_at_ms, revoked_at_ms = excluded.revoked_at_ms")
      .bind(record.id)
      .bind(static_cast<std::int64_t>(record.kind))
      .bind(record.name)
      .bind(static_cast<std::int64_t>(record.role))
      .bind(record.namespace_path)
      .bind(record.sha256)
      .bind(record.expires_at_ms)
      .bind(record.created_by)
      .bind(record.created_at_ms)
      .bind(record.revoked_at_ms)
      .run();
}

}  // namespace egress::server
