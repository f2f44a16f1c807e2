#include "server/store/sqlite/page_filler.h"
#include "server/store/sqlite/path_range.h"
#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

// Agents that stopped reporting make room for new ones.
constexpr std::int64_t kMaxAgentStatuses = 100'000;

}  // namespace

RowPage<AgentStatus> SqliteTransaction::agent_statuses(std::string_view subtree, std::string_view after_key,
                                                       std::size_t limit) {
  const PathRange range = range_below(subtree);
  Query query(connection_,
              "SELECT agent_id, namespace, workload, host, offered, active, error, reported_at_ms FROM agent_statuses "
              "WHERE key > ? AND (namespace = ? OR (namespace >= ? AND namespace < ?)) ORDER BY key LIMIT ?");
  query.bind(after_key).bind(subtree).bind(range.first).bind(range.end).bind(static_cast<std::int64_t>(limit + 1));
  PageFiller<AgentStatus> page(limit);
  while (query.step()) {
    AgentStatus status;
    status.agent_id = query.text();
    status.namespace_path = query.text();
    status.workload = query.text();
    status.host = query.text();
    status.offered = query.unsigned_integer();
    status.active = query.unsigned_integer();
    status.error = query.text();
    status.reported_at_ms = query.integer();
    const std::size_t size = sizeof status + status.error.size();
    if (!page.add(std::move(status), size)) break;
  }
  return page.take();
}

AgentCounts SqliteTransaction::count_agents(std::uint64_t revision) {
  Query query(connection_,
              "SELECT count(*) FILTER (WHERE error = '' AND active >= ?1), "
              "count(*) FILTER (WHERE error = '' AND active < ?1), count(*) FILTER (WHERE error <> '') "
              "FROM agent_statuses");
  query.bind(revision);
  AgentCounts counts;
  if (!query.step()) return counts;
  counts.newest = query.unsigned_integer();
  counts.older = query.unsigned_integer();
  counts.failing = query.unsigned_integer();
  return counts;
}

void SqliteTransaction::put_agent_status(const AgentStatus& status) {
  const std::string key = agent_status_key(status);
  Query(connection_,
        "INSERT INTO agent_statuses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET host = excluded.host, "
        "offered = excluded.offered, active = excluded.active, error = excluded.error, "
        "reported_at_ms = excluded.reported_at_ms")
      .bind(key)
      .bind(status.agent_id)
      .bind(status.namespace_path)
      .bind(status.workload)
      .bind(status.host)
      .bind(status.offered)
      .bind(status.active)
      .bind(status.error)
      .bind(status.reported_at_ms)
      .run();
  Query(connection_,
        "DELETE FROM agent_statuses WHERE (SELECT count(*) FROM agent_statuses) > ? AND key = "
        "(SELECT key FROM agent_statuses ORDER BY reported_at_ms LIMIT 1)")
      .bind(kMaxAgentStatuses)
      .run();
}

std::optional<StoredLayer> SqliteTransaction::find_layer(std::string_view hash) {
  Query query(connection_, "SELECT hash, id, bytes FROM layers WHERE hash = ?");
  query.bind(hash);
  if (!query.step()) return std::nullopt;
  StoredLayer layer;
  layer.hash = query.text();
  layer.id = query.text();
  layer.bytes = query.blob();
  return layer;
}

void SqliteTransaction::put_layer(const StoredLayer& layer, UnixMillis now_ms) {
  Query(connection_, "INSERT INTO layers VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
      .bind(layer.hash)
      .bind(layer.id)
      .bind(std::span<const std::byte>(layer.bytes))
      .bind(now_ms)
      .run();
}

}  // namespace egress::server
