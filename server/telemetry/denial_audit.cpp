#include "server/telemetry/denial_audit.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "shared/base/time_text.h"
#include "shared/json/strict_json.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Trace and span id as the sender gave them: a collector on the way may have set its own.
Json id_of(const Json& record, const char* key) {
  if (!record.is_object()) return nullptr;
  const auto found = record.find(key);
  return found != record.end() && found->is_string() && !found->get_ref<const std::string&>().empty() ? *found
                                                                                                      : Json(nullptr);
}

}  // namespace

void audit_denial(Writer& writer, UnixMillis now_ms, const DecisionRecord& decision, const ReceivedRecord& received) {
  if (decision.kind == RecordKind::kDropped || decision.verdict == Verdict::kAllow) return;
  AuditEvent event;
  event.event = decision.verdict == Verdict::kWouldDeny ? "proxy_domain_would_deny" : "proxy_domain_denied";
  event.actor = "agent";
  event.namespace_path = decision.namespace_path;
  event.host = decision.name.empty() ? decision.address : decision.name;
  event.subject = decision.port == 0 ? event.host : event.host + ":" + std::to_string(decision.port);
  event.workload = decision.workload;
  event.verdict = std::string(name_of(decision.verdict));
  event.layer = decision.layer;

  const auto record = parse_json(received.record_json);
  Json detail = Json::object();
  detail["host"] = text_or_null(decision.name);
  detail["address"] = text_or_null(decision.address);
  detail["port"] = decision.port == 0 ? Json(nullptr) : Json(decision.port);
  detail["transport"] = decision.kind == RecordKind::kLookup ? Json(nullptr) : Json(name_of(decision.transport));
  detail["workload"] = decision.workload;
  detail["layer"] = decision.layer;
  detail["rule"] = decision.rule;
  detail["deny_reason"] = name_of(decision.deny_reason);
  detail["mode"] = name_of(decision.mode);
  detail["revision"] = decision.revision;
  detail["count"] = decision.count;
  detail["first_seen"] = format_time(decision.first_seen_ms);
  detail["last_seen"] = format_time(decision.last_seen_ms);
  detail["pid"] = decision.pid == 0 ? Json(nullptr) : Json(decision.pid);
  detail["exe"] = text_or_null(decision.exe);
  detail["event_id"] = decision.id;
  detail["trace_id"] = record ? id_of(*record, "traceId") : Json(nullptr);
  detail["span_id"] = record ? id_of(*record, "spanId") : Json(nullptr);
  append_audit(writer, now_ms, event, detail);
}

}  // namespace egress::server
