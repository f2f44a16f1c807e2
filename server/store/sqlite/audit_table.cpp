#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/path_range.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

constexpr std::string_view kColumns =
    "SELECT seq, time_ms, event, actor, namespace, subject, workload, host, verdict, layer, detail, prev_hash, hash "
    "FROM audit";

AuditRow read_row(Query& query) {
  AuditRow row;
  row.seq = query.unsigned_integer();
  row.time_ms = query.integer();
  for (std::string* field : {&row.event, &row.actor, &row.namespace_path, &row.subject, &row.workload, &row.host,
                             &row.verdict, &row.layer, &row.detail, &row.prev_hash, &row.hash}) {
    *field = query.text();
  }
  return row;
}

Query& bind_unless_empty(Query& query, const std::string& text) {
  return text.empty() ? query.bind_null() : query.bind(text);
}

// `text` with LIKE's own characters made literal, between two '%'.
std::string like_pattern(const std::string& text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

}  // namespace

std::optional<AuditRow> SqliteTransaction::last_audit_row() {
  Query query(connection_, std::string(kColumns) + " ORDER BY seq DESC LIMIT 1");
  if (!query.step()) return std::nullopt;
  return read_row(query);
}

RowPage<AuditRow> SqliteTransaction::audit_rows(const AuditFilter& filter) {
  // Every index ends in seq (the rowid), so that one equality gives the newest rows first without sorting.
  std::string where;
  const auto add = [&](bool present, std::string_view condition) {
    if (present) where += (where.empty() ? " WHERE " : " AND ") + std::string(condition);
  };
  const std::pair<const std::optional<std::string>&, std::string_view> equalities[] = {
      {filter.event, "event = ?"}, {filter.namespace_path, "namespace = ?"}, {filter.workload, "workload = ?"},
      {filter.host, "host = ?"},   {filter.verdict, "verdict = ?"},          {filter.layer, "layer = ?"},
  };
  for (const auto& [value, condition] : equalities) add(value.has_value(), condition);
  add(filter.subtree.has_value(), "(namespace = ? OR (namespace >= ? AND namespace < ?))");
  add(filter.since_ms.has_value(), "time_ms >= ?");
  add(filter.until_ms.has_value(), "time_ms < ?");
  add(filter.before_seq.has_value(), "seq < ?");
  add(filter.text.has_value(), "(subject LIKE ? ESCAPE '\\' OR detail LIKE ? ESCAPE '\\')");

  // Bound texts must outlive the query.
  const PathRange range = range_below(filter.subtree.value_or(std::string(kRootNamespace)));
  const std::string like = filter.text ? like_pattern(*filter.text) : std::string();
  Query query(connection_, std::string(kColumns) + where + " ORDER BY seq DESC LIMIT ?");
  for (const auto& [value, condition] : equalities) {
    if (value) query.bind(*value);
  }
  if (filter.subtree) query.bind(*filter.subtree).bind(range.first).bind(range.end);
  if (filter.since_ms) query.bind(*filter.since_ms);
  if (filter.until_ms) query.bind(*filter.until_ms);
  if (filter.before_seq) query.bind(*filter.before_seq);
  if (filter.text) query.bind(like).bind(like);
  query.bind(static_cast<std::int64_t>(filter.limit + 1));
  PageFiller<AuditRow> page(filter.limit);
  while (query.step()) {
    AuditRow row = read_row(query);
    const std::size_t size = sizeof row + row.subject.size() + row.detail.size();
    if (!page.add(std::move(row), size)) break;
  }
  return page.take();
}

void SqliteTransaction::append_audit_row(const AuditRow& row) {
  Query query(connection_, "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind(row.seq).bind(row.time_ms).bind(row.event).bind(row.actor).bind(row.namespace_path).bind(row.subject);
  for (const std::string* optional_field : {&row.workload, &row.host, &row.verdict, &row.layer}) {
    bind_unless_empty(query, *optional_field);
  }
  query.bind(row.detail).bind(row.prev_hash).bind(row.hash).run();
}

}  // namespace egress::server
