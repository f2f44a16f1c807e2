#include "server/service/token_store.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/json_values.h"
#include "server/service/token_text.h"

namespace egress::server {
namespace {

void audit_token(Writer& writer, const std::string& event, const TokenRecord& record, const std::string& actor,
                 UnixMillis now_ms) {
  AuditEvent audit;
  audit.event = event;
  audit.actor = actor;
  audit.namespace_path = record.namespace_path;
  audit.subject = record.id;
  nlohmann::ordered_json detail = nlohmann::ordered_json::object();
  if (record.kind == TokenKind::kWorkload) {
    audit.workload = record.name;
    detail["kind"] = "workload";
  } else {
    detail["kind"] = "user";
    detail["role"] = name_of(static_cast<Role>(record.role));
  }
  detail["name"] = record.name;
  detail["expires_at"] = time_or_null(record.expires_at_ms);
  append_audit(writer, now_ms, audit, detail);
}

}  // namespace

IssuedToken issue_token(Writer& writer, const TokenGrant& grant, UnixMillis now_ms) {
  IssuedToken issued;
  issued.text = make_token_text(grant.kind);
  TokenRecord& record = issued.record;
  record.id = make_token_id();
  record.kind = grant.kind;
  record.name = grant.name;
  record.role = grant.kind == TokenKind::kUser ? static_cast<std::uint8_t>(grant.role) : std::uint8_t{0};
  record.namespace_path = grant.namespace_path;
  record.sha256 = format_sha256(sha256(issued.text));
  record.expires_at_ms = grant.expires_at_ms;
  record.created_by = grant.actor;
  record.created_at_ms = now_ms;
  writer.put_token(record);
  audit_token(writer, "token_created", record, grant.actor, now_ms);
  return issued;
}

std::optional<TokenRecord> revoke_token(Writer& writer, std::string_view id, const std::string& actor,
                                        UnixMillis now_ms) {
  auto record = writer.find_token(id);
  if (!record || record->revoked_at_ms) return std::nullopt;
  record->revoked_at_ms = now_ms;
  writer.put_token(*record);
  audit_token(writer, "token_revoked", *record, actor, now_ms);
  return record;
}

}  // namespace egress::server
