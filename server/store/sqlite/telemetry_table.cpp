#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {

RowPage<TelemetryRow> SqliteTransaction::telemetry(const TelemetryFilter& filter) {
  // Attributes are searched in the newest rows first; the caller's limit and time range bound the scan.
  std::string where = " WHERE signal = ?";
  if (filter.since_ms) where += " AND time_ms >= ?";
  if (filter.until_ms) where += " AND time_ms < ?";
  if (filter.before_id) where += " AND id < ?";
  std::vector<std::string> needles;
  for (const auto& [key, value] : filter.attributes) {
    where += " AND instr(attributes, ?) > 0";
    needles.push_back(kAttributeMark + key + kValueMark + value + kAttributeMark);
  }
  if (filter.subtree) {
    // The namespace itself, or the beginning of a path below it.
    where += " AND (instr(attributes, ?) > 0 OR instr(attributes, ?) > 0)";
    const std::string start = std::string(1, kAttributeMark) + "agent.namespace" + kValueMark + *filter.subtree;
    needles.push_back(start + kAttributeMark);
    needles.push_back(start + "/");
  }
  Query query(connection_,
              "SELECT id, event_id, event_name, time_ms, resource, scope, record, attributes FROM telemetry" + where +
                  " ORDER BY id DESC LIMIT ?");
  query.bind(static_cast<std::int64_t>(filter.signal));
  if (filter.since_ms) query.bind(*filter.since_ms);
  if (filter.until_ms) query.bind(*filter.until_ms);
  if (filter.before_id) query.bind(*filter.before_id);
  for (const std::string& needle : needles) query.bind(needle);
  query.bind(static_cast<std::int64_t>(filter.limit + 1));
  PageFiller<TelemetryRow> page(filter.limit);
  while (query.step()) {
    TelemetryRow row;
    row.id = query.unsigned_integer();
    row.signal = filter.signal;
    row.event_id = query.text();
    row.event_name = query.text();
    row.time_ms = query.integer();
    row.resource = query.text();
    row.scope = query.text();
    row.record = query.text();
    row.attributes = query.text();
    const std::size_t size = sizeof row + row.resource.size() + row.scope.size() + row.record.size();
    if (!page.add(std::move(row), size)) break;
  }
  return page.take();
}

bool SqliteTransaction::add_telemetry(const TelemetryRow& row) {
  Query query(connection_,
              "INSERT INTO telemetry (signal, event_id, event_name, time_ms, resource, scope, record, attributes) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
  query.bind(static_cast<std::int64_t>(row.signal));
  row.event_id.empty() ? query.bind_null() : query.bind(row.event_id);
  query.bind(row.event_name).bind(row.time_ms).bind(row.resource).bind(row.scope).bind(row.record).bind(row.attributes);
  query.run();
  return sqlite3_changes(connection_.handle()) > 0;
}

}  // namespace egress::server
