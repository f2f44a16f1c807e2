#include "server/service/workloads.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/namespace_write.h"
#include "server/service/token_store.h"

namespace egress::server {
namespace {

// What a write left in the store, and what the registry is told once it is there.
struct Written {
  WorkloadPutResult result;
  std::optional<TokenRecord> issued;
  std::optional<TokenRecord> revoked;
};

tl::unexpected<Refusal> refuse_unknown(const std::string& namespace_path, const std::string& name) {
  return refuse(ErrorCode::kNotFound, "workload_unknown",
                "namespace " + namespace_path + " has no workload \"" + name + "\"");
}

void audit(Writer& writer, const std::string& event_name, const WorkloadRecord& record, bool updated,
           const std::string& actor, UnixMillis now_ms) {
  AuditEvent event;
  event.event = event_name;
  event.actor = actor;
  event.namespace_path = record.namespace_path;
  event.subject = record.name;
  event.workload = record.name;
  nlohmann::ordered_json detail = nlohmann::ordered_json::object();
  detail["labels"] = record.labels;
  detail["target"] = record.target;
  detail["token_id"] = record.token_id;
  detail["updated"] = updated;
  append_audit(writer, now_ms, event, detail);
}

Result<Written> write_workload(Writer& writer, const WorkloadPut& put, UnixMillis now_ms) {
  if (!writer.find_namespace(put.namespace_path)) return refuse_unknown_namespace(put.namespace_path);
  const auto previous = writer.find_workload(put.namespace_path, put.name);
  Written written;
  WorkloadRecord& record = written.result.record;
  if (previous) {
    record = *previous;
  } else {
    record.namespace_path = put.namespace_path;
    record.name = put.name;
    record.created_by = put.actor.name;
    record.created_at_ms = now_ms;
    written.result.created = true;
  }
  put.labels.apply_to(record.labels);
  put.target.apply_to(record.target);
  record.updated_at_ms = now_ms;
  if (!previous || put.rotate_token) {
    if (previous) written.revoked = revoke_token(writer, previous->token_id, put.actor.name, now_ms);
    const TokenGrant grant{
        .kind = TokenKind::kWorkload, .name = put.name, .namespace_path = put.namespace_path, .actor = put.actor.name};
    IssuedToken issued = issue_token(writer, grant, now_ms);
    record.token_id = issued.record.id;
    written.result.token = std::move(issued.text);
    written.issued = std::move(issued.record);
  }
  writer.put_workload(record);
  audit(writer, "workload_registered", record, previous.has_value(), put.actor.name, now_ms);
  return written;
}

}  // namespace

Result<WorkloadPutResult> Workloads::put(const WorkloadPut& put) {
  if (auto allowed = require(put.actor, Role::kOperator, put.namespace_path); !allowed) {
    return tl::unexpected(allowed.error());
  }
  const UnixMillis now_ms = clock_.now_ms();
  auto written = store_.write([&](Writer& writer) { return write_workload(writer, put, now_ms); });
  if (!written) return tl::unexpected(written.error());
  const bool was_closed = tokens_.is_closed_to_workloads();
  if (written->issued) tokens_.put(*written->issued);
  if (written->revoked) tokens_.put(*written->revoked);
  if (!was_closed && tokens_.is_closed_to_workloads()) observer_.workloads_closed();
  observer_.workload_changed(put.namespace_path, put.name);
  return std::move(written->result);
}

Result<void> Workloads::remove(const WorkloadRemoval& removal) {
  if (auto allowed = require(removal.actor, Role::kOperator, removal.namespace_path); !allowed) return allowed;
  const UnixMillis now_ms = clock_.now_ms();
  using Revoked = std::optional<TokenRecord>;
  auto revoked = store_.write([&](Writer& writer) -> Result<Revoked> {
    const auto record = writer.find_workload(removal.namespace_path, removal.name);
    if (!record) return refuse_unknown(removal.namespace_path, removal.name);
    Revoked token = revoke_token(writer, record->token_id, removal.actor.name, now_ms);
    writer.remove_workload(removal.namespace_path, removal.name);
    audit(writer, "workload_removed", *record, false, removal.actor.name, now_ms);
    return token;
  });
  if (!revoked) return tl::unexpected(revoked.error());
  if (*revoked) tokens_.put(**revoked);
  observer_.workload_changed(removal.namespace_path, removal.name);
  return {};
}

Result<Workloads::Page> Workloads::list(const std::string& subtree, const Position& after, std::size_t limit) {
  auto rows =
      store_.read([&](Reader& reader) { return reader.workloads(subtree, after.namespace_path, after.name, limit); });
  if (!rows) return tl::unexpected(Refusal(rows.error()));
  Page page;
  page.items = std::move(rows->rows);
  if (rows->more) page.next_after = Position{page.items.back().namespace_path, page.items.back().name};
  return page;
}

Result<WorkloadRecord> Workloads::get(const std::string& namespace_path, const std::string& name) {
  auto found = store_.read([&](Reader& reader) { return reader.find_workload(namespace_path, name); });
  if (!found) return tl::unexpected(Refusal(found.error()));
  if (!*found) return refuse_unknown(namespace_path, name);
  return **std::move(found);
}

Result<Workloads::Registration> Workloads::find_registration(const Principal& principal) {
  auto found = store_.read([&](Reader& reader) -> std::optional<Registration> {
    auto record = reader.find_workload(principal.scope, principal.workload);
    if (!record || record->token_id != principal.token_id) return std::nullopt;
    const auto token = reader.find_token(record->token_id);
    if (!token || token->revoked_at_ms) return std::nullopt;
    return Registration{*std::move(record), token->sha256};
  });
  if (!found) return tl::unexpected(Refusal(found.error()));
  if (!*found) {
    return refuse(ErrorCode::kUnauthenticated, "token_revoked",
                  "the token of workload " + principal.workload + " in namespace " + principal.scope + " was revoked");
  }
  return **std::move(found);
}

Result<void> Workloads::recheck(const Principal& principal) const {
  if (principal.kind == Principal::Kind::kWorkload || !is_closed()) return tokens_.recheck(principal);
  return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "this needs the token of a registered workload");
}

}  // namespace egress::server
