// The reads and writes of one SQLite transaction; begun and ended by SqliteStore. Implemented table by table in the
// files beside this one.
#pragma once

#include "server/store/sqlite/connection.h"
#include "server/store/store.h"

namespace egress::server {

class SqliteTransaction final : public Writer {
 public:
  explicit SqliteTransaction(Connection& connection) : connection_(connection) {}

  bool discarded() const { return discarded_; }

  // revisions_table.cpp
  std::uint64_t revision() override;
  std::uint64_t egress_revision() override;
  std::optional<Mode> server_mode() override;
  std::uint64_t bump_revision(UnixMillis now_ms, std::string_view actor, std::string_view summary) override;
  std::uint64_t raise_revision(std::uint64_t at_least, UnixMillis now_ms, std::string_view actor,
                               std::string_view summary) override;
  std::uint64_t documents_revision() override;
  void touch_egress(std::uint64_t revision) override;
  void touch_documents(std::uint64_t revision) override;
  void set_server_mode(Mode mode) override;
  std::optional<RevisionRecord> find_revision(std::uint64_t number) override;
  RowPage<RevisionRecord> revisions(std::optional<std::uint64_t> before, std::size_t limit) override;
  std::vector<RevisionChange> revision_changes(std::uint64_t first, std::uint64_t last) override;
  std::optional<std::uint64_t> first_recorded_revision() override;
  void add_revision_change(const RevisionChange& change) override;
  std::optional<UnixMillis> expiry_watermark() override;
  void set_expiry_watermark(UnixMillis time_ms) override;

  // tokens_table.cpp
  std::vector<TokenRecord> tokens() override;
  std::vector<TokenRecord> user_tokens() override;
  std::optional<TokenRecord> find_token(std::string_view id) override;
  void put_token(const TokenRecord& record) override;

  // workloads_table.cpp
  std::optional<WorkloadRecord> find_workload(std::string_view namespace_path, std::string_view name) override;
  RowPage<WorkloadRecord> workloads(std::string_view subtree, std::string_view after_namespace,
                                    std::string_view after_name, std::size_t limit) override;
  void put_workload(const WorkloadRecord& record) override;
  bool remove_workload(std::string_view namespace_path, std::string_view name) override;

  // egress_table.cpp
  std::vector<EgressEntry> egress_entries() override;
  std::optional<EgressEntry> find_egress_entry(Action action, const HostPattern& pattern) override;
  std::vector<RuleUse> rule_uses(std::string_view layer) override;
  void put_egress_entry(const EgressEntry& entry) override;
  bool remove_egress_entry(Action action, const HostPattern& pattern) override;
  void add_rule_use(std::string_view layer, const RuleUse& use) override;
  void forget_rule_use(std::string_view layer, std::string_view rule) override;

  // namespaces_table.cpp
  std::optional<NamespaceRecord> find_namespace(std::string_view path) override;
  RowPage<NamespaceRecord> namespaces(std::string_view after, std::size_t limit) override;
  RowPage<NamespaceRecord> namespaces_in(std::string_view subtree, std::string_view after, std::size_t limit) override;
  std::vector<NamespaceRecord> descendants(std::string_view path) override;
  std::vector<std::string> descendant_paths(std::string_view path, std::size_t limit) override;
  bool has_descendants(std::string_view path) override;
  void put_namespace(const NamespaceRecord& record) override;
  bool remove_namespace(std::string_view path) override;

  std::size_t namespace_count() override;
  std::vector<std::string> namespaces_with_expired_grants(UnixMillis after_ms, UnixMillis until_ms) override;

  // allowed_below_table.cpp
  std::vector<AllowedEntry> uncovered_below(std::string_view path, const std::vector<HostPattern>& by) override;
  void index_allowed(std::string_view path, std::int64_t position, const DomainEntry& entry);

  // documents_table.cpp
  std::vector<DocumentRecord> documents(const DocumentFilter& filter) override;
  void put_document(const DocumentRecord& record) override;
  bool remove_document(std::string_view kind, std::string_view namespace_path, std::string_view name) override;

  // audit_table.cpp
  std::optional<AuditRow> last_audit_row() override;
  RowPage<AuditRow> audit_rows(const AuditFilter& filter) override;
  void append_audit_row(const AuditRow& row) override;

  // telemetry_table.cpp
  RowPage<TelemetryRow> telemetry(const TelemetryFilter& filter) override;
  bool add_telemetry(const TelemetryRow& row) override;

  // distribution_tables.cpp
  RowPage<AgentStatus> agent_statuses(std::string_view subtree, std::string_view after_key, std::size_t limit) override;
  AgentCounts count_agents(std::uint64_t revision) override;
  void put_agent_status(const AgentStatus& status) override;
  std::optional<StoredLayer> find_layer(std::string_view hash) override;
  void put_layer(const StoredLayer& layer, UnixMillis now_ms) override;

  void discard() override { discarded_ = true; }

 private:
  std::optional<std::string> find_setting(std::string_view key);
  std::optional<std::uint64_t> find_number_setting(std::string_view key);
  void put_setting(std::string_view key, std::string_view value);
  NamespaceRecord read_namespace(Query& query);
  WorkloadRecord read_workload(Query& query);

  // domain_lists.cpp
  struct PlacedEntry {
    std::int64_t position = 0;
    DomainEntry entry;
  };
  std::vector<PlacedEntry> read_list(std::string_view path, Action action);
  void put_list(const std::string& path, Action action, const std::vector<DomainEntry>& entries);
  void insert_entry(const std::string& path, Action action, const PlacedEntry& placed);
  void remove_entry(const std::string& path, Action action, const PlacedEntry& placed);
  void unindex_allowed(std::string_view path, std::int64_t position, const DomainEntry& entry);

  // A stored pattern; what cannot be parsed is corruption and fails the transaction.
  HostPattern read_pattern(const std::string& text);

  Connection& connection_;
  bool discarded_ = false;
};

}  // namespace egress::server
