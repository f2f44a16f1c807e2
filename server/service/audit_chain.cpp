#include "server/service/audit_chain.h"

#include <nlohmann/json.hpp>

#include "shared/base/time_text.h"
#include "shared/bundle/digest.h"
#include "shared/json/strict_json.h"

namespace egress::server {

void append_audit(Writer& writer, UnixMillis now_ms, const AuditEvent& event, const nlohmann::ordered_json& detail) {
  const auto last = writer.last_audit_row();
  AuditRow row;
  row.seq = last ? last->seq + 1 : 1;
  row.time_ms = now_ms;
  row.event = event.event;
  row.actor = event.actor;
  row.namespace_path = event.namespace_path;
  row.subject = event.subject;
  row.workload = event.workload;
  row.host = event.host;
  row.verdict = event.verdict;
  row.layer = event.layer;
  row.detail = render_json(detail);
  row.prev_hash = last ? last->hash : std::string(kGenesisHash);
  row.hash = audit_hash(row);
  writer.append_audit_row(row);
}

std::string canonical_json(const AuditRow& row) {
  nlohmann::ordered_json head = nlohmann::ordered_json::object();
  head["seq"] = row.seq;
  head["time"] = format_time(row.time_ms);
  head["event"] = row.event;
  head["actor"] = row.actor;
  head["namespace"] = row.namespace_path;
  head["subject"] = row.subject;
  std::string text = render_json(head);
  text.pop_back();
  return text + ",\"detail\":" + row.detail + "}";
}

std::string audit_hash(const AuditRow& row) { return format_sha256(sha256(row.prev_hash + canonical_json(row))); }

}  // namespace egress::server
