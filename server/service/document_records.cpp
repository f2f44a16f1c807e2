#include "server/service/document_records.h"

namespace egress::server {

EgressEntry entry_of(const EgressDomain& document, const std::optional<EgressEntry>& stored, const std::string& actor,
                     UnixMillis now_ms) {
  EgressEntry entry{
      document.action, document.pattern, document.reason, document.require_auth, document.expires_at_ms, actor, now_ms};
  if (stored) {
    entry.created_by = stored->created_by;
    entry.created_at_ms = stored->created_at_ms;
  }
  return entry;
}

NamespaceRecord record_of(const NamespaceDocument& document, const std::optional<NamespaceRecord>& stored,
                          UnixMillis now_ms) {
  NamespaceRecord record;
  record.path = document.head.name;
  record.description = document.description;
  record.allowed = document.allowed_domains;
  record.blocked = document.blocked_domains;
  record.mode = document.mode;
  record.loopback = document.loopback;
  record.lookups = document.lookups;
  record.default_action = document.default_action;
  record.created_at_ms = stored ? stored->created_at_ms : now_ms;
  record.updated_at_ms = now_ms;
  return record;
}

DocumentRecord document_record(const DocumentHead& head, std::string source, std::int64_t first_line,
                               const std::optional<DocumentRecord>& stored, const std::string& actor,
                               UnixMillis now_ms) {
  DocumentRecord record;
  record.kind = head.kind;
  record.namespace_path = head.namespace_path;
  record.name = head.name;
  record.source = std::move(source);
  record.first_line = first_line;
  record.created_by = stored ? stored->created_by : actor;
  record.created_at_ms = stored ? stored->created_at_ms : now_ms;
  record.updated_at_ms = now_ms;
  return record;
}

}  // namespace egress::server
