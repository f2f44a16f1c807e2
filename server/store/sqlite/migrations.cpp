#include "server/store/sqlite/migrations.h"

#include <array>

#include "server/store/sqlite/transaction.h"

namespace egress::server {
namespace {

Expected<void> index_stored_entries(Connection& connection);

struct Step {
  const char* sql;
  Expected<void> (*fill)(Connection&) = nullptr;  // what SQL alone cannot derive, in the same transaction
};

// Step n takes a database from version n to n + 1. Released steps are never edited.
constexpr std::array kSteps{
    // 1: policy, audit, telemetry, distribution.
    Step{R"sql(
CREATE TABLE settings (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
  number  INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  summary TEXT NOT NULL
) STRICT;

CREATE TABLE egress_entries (
  action        INTEGER NOT NULL CHECK (action IN (0, 1)),
  pattern       TEXT NOT NULL,
  reason        TEXT NOT NULL,
  require_auth  INTEGER NOT NULL CHECK (require_auth IN (0, 1)),
  expires_at_ms INTEGER,
  created_by    TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (action, pattern)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_uses (
  layer        TEXT NOT NULL,
  rule         TEXT NOT NULL,
  hits         INTEGER NOT NULL,
  last_used_ms INTEGER NOT NULL,
  PRIMARY KEY (layer, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE namespaces (
  path            TEXT PRIMARY KEY,
  description     TEXT NOT NULL,
  allowed_defined INTEGER NOT NULL CHECK (allowed_defined IN (0, 1)),
  mode            INTEGER,
  loopback        INTEGER,
  lookups         INTEGER,
  default_action  INTEGER,
  created_at_ms   INTEGER NOT NULL,
  updated_at_ms   INTEGER NOT NULL,
  revision        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE namespace_domains (
  namespace     TEXT NOT NULL REFERENCES namespaces (path) ON DELETE CASCADE,
  action        INTEGER NOT NULL CHECK (action IN (0, 1)),
  position      INTEGER NOT NULL,
  pattern       TEXT NOT NULL,
  reason        TEXT NOT NULL,
  expires_at_ms INTEGER,
  PRIMARY KEY (namespace, action, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq       INTEGER PRIMARY KEY,
  time_ms   INTEGER NOT NULL,
  event     TEXT NOT NULL,
  actor     TEXT NOT NULL,
  namespace TEXT NOT NULL,
  subject   TEXT NOT NULL,
  workload  TEXT,
  host      TEXT,
  verdict   TEXT,
  layer     TEXT,
  detail    TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (time_ms);
CREATE INDEX audit_by_event ON audit (event);
CREATE INDEX audit_by_namespace ON audit (namespace);
CREATE INDEX audit_by_workload ON audit (workload) WHERE workload IS NOT NULL;
CREATE INDEX audit_by_host ON audit (host) WHERE host IS NOT NULL;
CREATE INDEX audit_by_verdict ON audit (verdict) WHERE verdict IS NOT NULL;
CREATE INDEX audit_by_layer ON audit (layer) WHERE layer IS NOT NULL;
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TABLE telemetry (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  signal     INTEGER NOT NULL,
  event_id   TEXT,
  event_name TEXT NOT NULL,
  time_ms    INTEGER NOT NULL,
  resource   TEXT NOT NULL,
  scope      TEXT NOT NULL,
  record     TEXT NOT NULL,
  attributes TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX telemetry_by_event_id ON telemetry (signal, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX telemetry_by_time ON telemetry (signal, time_ms);

CREATE TABLE agent_statuses (
  key            TEXT PRIMARY KEY,
  agent_id       TEXT NOT NULL,
  namespace      TEXT NOT NULL,
  workload       TEXT NOT NULL,
  host           TEXT NOT NULL,
  offered        INTEGER NOT NULL,
  active         INTEGER NOT NULL,
  error          TEXT NOT NULL,
  reported_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_statuses_by_time ON agent_statuses (reported_at_ms);

CREATE TABLE layers (
  hash          TEXT PRIMARY KEY,
  id            TEXT NOT NULL,
  bytes         BLOB NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
)sql"},
    // 2: policy documents.
    Step{R"sql(
CREATE TABLE documents (
  kind          TEXT NOT NULL,
  namespace     TEXT NOT NULL,
  name          TEXT NOT NULL,
  source        TEXT NOT NULL,
  first_line    INTEGER NOT NULL,
  created_by    TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  revision      INTEGER NOT NULL,
  PRIMARY KEY (kind, namespace, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_namespace ON documents (namespace);
)sql"},
    // 3: access, workloads, what each revision changed.
    Step{R"sql(
CREATE TABLE tokens (
  id            TEXT PRIMARY KEY,
  kind          INTEGER NOT NULL CHECK (kind IN (0, 1)),
  name          TEXT NOT NULL,
  role          INTEGER NOT NULL,
  namespace     TEXT NOT NULL,
  sha256        TEXT NOT NULL UNIQUE,
  expires_at_ms INTEGER,
  created_by    TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE workloads (
  namespace     TEXT NOT NULL,
  name          TEXT NOT NULL,
  target        TEXT NOT NULL,
  token_id      TEXT NOT NULL,
  created_by    TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE workload_labels (
  namespace TEXT NOT NULL,
  workload  TEXT NOT NULL,
  key       TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (namespace, workload, key),
  FOREIGN KEY (namespace, workload) REFERENCES workloads (namespace, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE revision_changes (
  revision INTEGER NOT NULL,
  position INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  subject  TEXT NOT NULL,
  before   TEXT,
  after    TEXT,
  PRIMARY KEY (revision, position)
) STRICT, WITHOUT ROWID;
)sql"},
    // 4: allow entries by ancestor and search key.
    Step{R"sql(
CREATE TABLE allowed_below (
  ancestor      TEXT NOT NULL,
  search_key    TEXT NOT NULL,
  namespace     TEXT NOT NULL,
  position      INTEGER NOT NULL,
  expires_at_ms INTEGER,
  PRIMARY KEY (ancestor, search_key, namespace, position)
) STRICT, WITHOUT ROWID;
)sql",
         index_stored_entries},
    // 5: entries of namespaces that end, in the order of their ends.
    Step{R"sql(
CREATE INDEX namespace_domains_by_expiry ON namespace_domains (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
)sql"},
};

Expected<void> index_stored_entries(Connection& connection) {
  SqliteTransaction transaction(connection);
  Query query(connection, "SELECT namespace, position, pattern, expires_at_ms FROM namespace_domains WHERE action = ?");
  query.bind(static_cast<std::int64_t>(Action::kAllow));
  while (query.step()) {
    const std::string path = query.text();
    const std::int64_t position = query.integer();
    const std::string pattern = query.text();
    auto parsed = parse_host_pattern(pattern);
    if (!parsed) {
      return fail(ErrorCode::kCorrupt, "namespace " + path + " allows \"" + pattern + "\", which is no host pattern");
    }
    transaction.index_allowed(path, position, {std::move(parsed->pattern), {}, query.optional_integer()});
  }
  if (connection.failure()) return tl::unexpected(*connection.failure());
  return {};
}

Expected<void> take_step(Connection& connection, int step) {
  const Step& taken = kSteps[static_cast<std::size_t>(step)];
  if (auto done = connection.execute(std::string("BEGIN IMMEDIATE;") + taken.sql); !done) return done;
  if (taken.fill != nullptr) {
    if (auto done = taken.fill(connection); !done) return done;
  }
  return connection.execute("PRAGMA user_version=" + std::to_string(step + 1) + "; COMMIT;");
}

Expected<int> read_version(Connection& connection) {
  Query query(connection, "PRAGMA user_version");
  const bool found = query.step();
  if (connection.failure()) return tl::unexpected(*connection.failure());
  return found ? static_cast<int>(query.integer()) : 0;
}

Expected<int> read_known_version(Connection& connection) {
  auto version = read_version(connection);
  if (version && (*version < 0 || *version > schema_version())) {
    return fail(ErrorCode::kCorrupt, "the database has schema " + std::to_string(*version) +
                                         ", this program knows schemas up to " + std::to_string(schema_version()) +
                                         ": run a newer egress-server");
  }
  return version;
}

}  // namespace

int schema_version() { return static_cast<int>(kSteps.size()); }

Expected<void> check_schema(Connection& connection) {
  const auto version = read_known_version(connection);
  if (!version) return tl::unexpected(version.error());
  if (*version == 0) return fail(ErrorCode::kCorrupt, "this is no database of an egress-server");
  return {};
}

Expected<void> migrate(Connection& connection, int target) {
  const auto version = read_known_version(connection);
  if (!version) return tl::unexpected(version.error());
  for (int step = *version; step < target; ++step) {
    if (auto done = take_step(connection, step); !done) {
      (void)connection.execute("ROLLBACK");  // fails if the transaction is gone already; `done` is what counts
      return fail(done.error().code, "schema step " + std::to_string(step + 1) + ": " + done.error().message);
    }
  }
  return {};
}

}  // namespace egress::server
