// The durable state of the server behind one interface: a store runs a body of reads in one snapshot, or a body of
// reads and writes in one transaction that survives power loss once it returned. It keeps no policy knowledge: what may
// be written is the services' to decide, inside the transaction.
//
// Failures are sticky: once an operation of a transaction failed (disk full, corruption), every further one answers
// with nothing, and the transaction's result is that failure whatever the body made of it. Bodies therefore need no
// error handling of their own and must have no effect outside the transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/store/records.h"
#include "shared/base/error.h"

namespace egress::server {

class Reader {
 public:
  virtual ~Reader() = default;

  virtual std::uint64_t revision() = 0;         // of the newest policy change; 0 before the first
  virtual std::uint64_t egress_revision() = 0;  // of the newest change of the global table
  virtual std::optional<Mode> server_mode() = 0;

  virtual std::vector<EgressEntry> egress_entries() = 0;  // by action, then pattern
  virtual std::optional<EgressEntry> find_egress_entry(Action action, const HostPattern& pattern) = 0;
  virtual std::vector<RuleUse> rule_uses(std::string_view layer) = 0;

  virtual std::optional<NamespaceRecord> find_namespace(std::string_view path) = 0;
  // Past `after` in the order of paths.
  virtual RowPage<NamespaceRecord> namespaces(std::string_view after, std::size_t limit) = 0;
  // `subtree` and what is below, past `after`.
  virtual RowPage<NamespaceRecord> namespaces_in(std::string_view subtree, std::string_view after,
                                                 std::size_t limit) = 0;
  virtual std::vector<NamespaceRecord> descendants(std::string_view path) = 0;  // strictly below, by path
  virtual std::vector<std::string> descendant_paths(std::string_view path, std::size_t limit) = 0;
  virtual bool has_descendants(std::string_view path) = 0;
  // The allow entries strictly below `path` that none of `by` covers, expired ones included; by namespace, each
  // namespace's in its order. O(|by| + found) steps in the index, however many entries there are.
  virtual std::vector<AllowedEntry> uncovered_below(std::string_view path, const std::vector<HostPattern>& by) = 0;

  virtual std::size_t namespace_count() = 0;

  virtual std::uint64_t documents_revision() = 0;  // of the newest change of any document
  // By kind, namespace, name.
  virtual std::vector<DocumentRecord> documents(const DocumentFilter& filter) = 0;

  virtual std::optional<RevisionRecord> find_revision(std::uint64_t number) = 0;
  virtual RowPage<RevisionRecord> revisions(std::optional<std::uint64_t> before,
                                            std::size_t limit) = 0;  // newest first
  // Of the revisions in [first, last], oldest first, each revision's in the order of their making.
  virtual std::vector<RevisionChange> revision_changes(std::uint64_t first, std::uint64_t last) = 0;

  // The oldest revision whose changes are recorded; nullopt: none is.
  virtual std::optional<std::uint64_t> first_recorded_revision() = 0;

  // Namespaces with an entry in their allowed_domains that ends in (after, until], by path.
  virtual std::vector<std::string> namespaces_with_expired_grants(UnixMillis after_ms, UnixMillis until_ms) = 0;
  // Until when expired entries were looked at; nullopt: never.
  virtual std::optional<UnixMillis> expiry_watermark() = 0;

  virtual std::vector<TokenRecord> tokens() = 0;       // by id, revoked ones included
  virtual std::vector<TokenRecord> user_tokens() = 0;  // those of kind kUser, likewise
  virtual std::optional<TokenRecord> find_token(std::string_view id) = 0;

  virtual std::optional<WorkloadRecord> find_workload(std::string_view namespace_path, std::string_view name) = 0;
  // In `subtree` and below, past (after_namespace, after_name) in that order.
  virtual RowPage<WorkloadRecord> workloads(std::string_view subtree, std::string_view after_namespace,
                                            std::string_view after_name, std::size_t limit) = 0;

  virtual std::optional<AuditRow> last_audit_row() = 0;
  virtual RowPage<AuditRow> audit_rows(const AuditFilter& filter) = 0;         // newest first
  virtual RowPage<TelemetryRow> telemetry(const TelemetryFilter& filter) = 0;  // newest first
  // Of workloads in `subtree` and below.
  virtual RowPage<AgentStatus> agent_statuses(std::string_view subtree, std::string_view after_key,
                                              std::size_t limit) = 0;
  virtual AgentCounts count_agents(std::uint64_t revision) = 0;  // O(statuses)
  virtual std::optional<StoredLayer> find_layer(std::string_view hash) = 0;
};

class Writer : public Reader {
 public:
  // The number of this policy change: one more than the last.
  virtual std::uint64_t bump_revision(UnixMillis now_ms, std::string_view actor, std::string_view summary) = 0;
  // The same, but not below `at_least`: for a database that went back in time, since revisions only rise.
  virtual std::uint64_t raise_revision(std::uint64_t at_least, UnixMillis now_ms, std::string_view actor,
                                       std::string_view summary) = 0;
  virtual void touch_egress(std::uint64_t revision) = 0;
  virtual void set_server_mode(Mode mode) = 0;

  virtual void put_egress_entry(const EgressEntry& entry) = 0;
  virtual bool remove_egress_entry(Action action, const HostPattern& pattern) = 0;
  virtual void add_rule_use(std::string_view layer, const RuleUse& use) = 0;  // adds to hits, raises last_used_ms
  virtual void forget_rule_use(std::string_view layer, std::string_view rule) = 0;

  virtual void put_namespace(const NamespaceRecord& record) = 0;
  virtual bool remove_namespace(std::string_view path) = 0;

  virtual void put_document(const DocumentRecord& record) = 0;
  virtual bool remove_document(std::string_view kind, std::string_view namespace_path, std::string_view name) = 0;
  virtual void touch_documents(std::uint64_t revision) = 0;

  virtual void set_expiry_watermark(UnixMillis time_ms) = 0;

  virtual void add_revision_change(const RevisionChange& change) = 0;

  virtual void put_token(const TokenRecord& record) = 0;
  virtual void put_workload(const WorkloadRecord& record) = 0;
  virtual bool remove_workload(std::string_view namespace_path, std::string_view name) = 0;

  virtual void append_audit_row(const AuditRow& row) = 0;
  // False, and nothing stored, if a record of the signal with the same event id is there already.
  virtual bool add_telemetry(const TelemetryRow& row) = 0;
  virtual void put_agent_status(const AgentStatus& status) = 0;
  virtual void put_layer(const StoredLayer& layer, UnixMillis now_ms) = 0;  // nothing if it is there

  // Makes the transaction end without effect although its body succeeded (a dry run).
  virtual void discard() = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // `body` returns any value; the result is Expected of it.
  template <typename Body>
  auto read(Body&& body) -> Expected<std::invoke_result_t<Body&, Reader&>> {
    std::optional<std::invoke_result_t<Body&, Reader&>> result;
    auto done = run_read([&](Reader& reader) { result.emplace(body(reader)); });
    if (!done) return tl::unexpected(done.error());
    return *std::move(result);
  }

  // `body` returns an expected whose error can be made from Error; its error rolls the transaction back.
  template <typename Body>
  auto write(Body&& body) -> std::invoke_result_t<Body&, Writer&> {
    using Result = std::invoke_result_t<Body&, Writer&>;
    std::optional<Result> result;
    auto done = run_write([&](Writer& writer) {
      result.emplace(body(writer));
      return result->has_value();
    });
    if (!done) return tl::unexpected(typename Result::error_type(done.error()));
    return *std::move(result);
  }

 protected:
  // Bounded in time: a read that takes too long (a scan that no index helps) fails with kUnavailable.
  virtual Expected<void> run_read(const std::function<void(Reader&)>& body) = 0;
  // Commits if `body` returns true. `body` may run on another thread, together with other writes in one commit; this
  // returns after that commit.
  virtual Expected<void> run_write(const std::function<bool(Writer&)>& body) = 0;
};

}  // namespace egress::server
