#include <nlohmann/json.hpp>

#include "shared/base/time_text.h"
#include "shared/json/strict_json.h"
#include "shared/net/address.h"
#include "shared/otlp/record.h"

namespace egress {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSeverityInfo = 9;
constexpr int kSeverityWarn = 13;
constexpr int kSpanKindServer = 2;
constexpr int kStatusError = 2;
constexpr std::size_t kTraceIdDigits = 32;
constexpr std::size_t kSpanIdDigits = 16;
constexpr std::string_view kScopeName = "egress";

Json text_value(std::string_view text) { return {{"stringValue", text}}; }

// 64-bit integers travel as strings (OTLP specification, JSON encoding).
Json integer_value(std::uint64_t value) { return {{"intValue", std::to_string(value)}}; }

class Attributes {
 public:
  void add(std::string_view key, std::string_view text) {
    if (!text.empty()) put(key, text_value(text));
  }
  void add(std::string_view key, std::uint64_t value) { put(key, integer_value(value)); }
  void add(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    Json values = Json::array();
    for (const std::string& text : texts) values.push_back(text_value(text));
    Json value = Json::object();
    value["arrayValue"] = {{"values", std::move(values)}};
    put(key, std::move(value));
  }
  Json take() { return std::move(list_); }

 private:
  void put(std::string_view key, Json value) {
    Json attribute = Json::object();
    attribute["key"] = key;
    attribute["value"] = std::move(value);
    list_.push_back(std::move(attribute));
  }
  Json list_ = Json::array();
};

std::string nanos_text(UnixMillis time_ms) { return time_ms <= 0 ? "0" : std::to_string(time_ms) + "000000"; }

std::string_view kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::kLookup:
      return "lookup";
    case RecordKind::kDropped:
      return "dropped";
    case RecordKind::kDial:
      break;
  }
  return "dial";
}

std::string_view network_type(const std::string& address) {
  const auto parsed = parse_address(address);
  if (!parsed) return {};
  return is_ipv4(*parsed) ? "ipv4" : "ipv6";
}

Json render_attributes(const DecisionRecord& record) {
  Attributes attributes;
  attributes.add("egress.event_id", record.id);
  attributes.add("egress.kind", kind_name(record.kind));
  attributes.add("egress.count", record.count);
  attributes.add("egress.first_seen", format_time(record.first_seen_ms));
  attributes.add("egress.last_seen", format_time(record.last_seen_ms));
  attributes.add("agent.name", record.workload);
  attributes.add("agent.namespace", record.namespace_path);
  for (const auto& [key, value] : record.labels) attributes.add("egress.label." + key, value);
  if (record.kind == RecordKind::kDropped) return attributes.take();

  attributes.add("egress.verdict", name_of(record.verdict));
  attributes.add("egress.mode", name_of(record.mode));
  attributes.add("clrk.egress.deny_reason", name_of(record.deny_reason));
  attributes.add("clrk.egress.policy.default", name_of(record.default_action));
  attributes.add("clrk.dst.name", record.name);
  attributes.add("egress.names", record.names);
  attributes.add("server.address", record.name.empty() ? record.address : record.name);
  if (record.port != 0) attributes.add("server.port", record.port);
  attributes.add("network.peer.address", record.address);
  if (!record.address.empty() && record.port != 0) attributes.add("network.peer.port", record.port);
  if (record.kind == RecordKind::kDial) attributes.add("network.transport", name_of(record.transport));
  attributes.add("network.type", network_type(record.address));
  attributes.add("error.type", name_of(record.deny_reason));
  attributes.add("security_rule.name", record.rule);
  attributes.add("security_rule.ruleset.name", record.layer);
  attributes.add("security_rule.version", std::to_string(record.revision));
  if (record.pid > 0) attributes.add("process.pid", static_cast<std::uint64_t>(record.pid));
  attributes.add("process.executable.path", record.exe);
  return attributes.take();
}

Json render_resource(const OtlpResource& resource) {
  Attributes attributes;
  attributes.add("service.name", resource.service_name);
  attributes.add("service.namespace", resource.service_namespace);
  attributes.add("host.name", resource.host_name);
  return {{"attributes", attributes.take()}};
}

Json render_scope() { return {{"name", kScopeName}}; }

bool has_span(const DecisionRecord& record) {
  return record.kind != RecordKind::kDropped && record.verdict != Verdict::kAllow;
}

std::string trace_id(const DecisionRecord& record) { return record.id.substr(0, kTraceIdDigits); }
std::string span_id(const DecisionRecord& record) {
  return record.id.substr(kTraceIdDigits - kSpanIdDigits, kSpanIdDigits);
}

bool has_ids(const DecisionRecord& record) { return record.id.size() == kTraceIdDigits && has_span(record); }

Json render_log(const DecisionRecord& record) {
  const bool warns = record.kind == RecordKind::kDropped || record.verdict != Verdict::kAllow;
  Json log = Json::object();
  log["timeUnixNano"] = nanos_text(record.last_seen_ms);
  log["observedTimeUnixNano"] = nanos_text(record.last_seen_ms);
  log["severityNumber"] = warns ? kSeverityWarn : kSeverityInfo;
  log["severityText"] = warns ? "WARN" : "INFO";
  log["eventName"] = event_name(record);
  log["body"] = text_value(event_name(record));
  log["attributes"] = render_attributes(record);
  if (has_ids(record)) {
    log["traceId"] = trace_id(record);
    log["spanId"] = span_id(record);
  }
  return log;
}

Json render_span(const DecisionRecord& record) {
  Json span = Json::object();
  span["traceId"] = trace_id(record);
  span["spanId"] = span_id(record);
  span["name"] = event_name(record);
  span["kind"] = kSpanKindServer;
  span["startTimeUnixNano"] = nanos_text(record.first_seen_ms);
  span["endTimeUnixNano"] = nanos_text(record.last_seen_ms);
  span["attributes"] = render_attributes(record);
  span["status"] = {{"message", name_of(record.deny_reason)}, {"code", kStatusError}};
  return span;
}

std::string render_request(std::string_view outer, std::string_view middle, std::string_view inner,
                           const OtlpResource& resource, Json records) {
  Json scope = Json::object();
  scope["scope"] = render_scope();
  scope[std::string(inner)] = std::move(records);
  Json with_resource = Json::object();
  with_resource["resource"] = render_resource(resource);
  with_resource[std::string(middle)] = Json::array();
  with_resource[std::string(middle)].push_back(std::move(scope));
  Json request = Json::object();
  request[std::string(outer)] = Json::array();
  request[std::string(outer)].push_back(std::move(with_resource));
  return render_json(request);
}

}  // namespace

std::string_view event_name(const DecisionRecord& record) {
  if (record.kind == RecordKind::kDropped) return "egress.events.dropped";
  switch (record.verdict) {
    case Verdict::kAllow:
      return "egress.dial.allowed";
    case Verdict::kWouldDeny:
      return "egress.dial.would_deny";  // of lookups too: nothing was refused
    case Verdict::kDeny:
      break;
  }
  return record.kind == RecordKind::kLookup ? "egress.dns.denied" : "egress.dial.denied";
}

std::string render_logs(const OtlpResource& resource, std::span<const DecisionRecord> records) {
  Json logs = Json::array();
  for (const DecisionRecord& record : records) logs.push_back(render_log(record));
  return render_request("resourceLogs", "scopeLogs", "logRecords", resource, std::move(logs));
}

std::string render_traces(const OtlpResource& resource, std::span<const DecisionRecord> records) {
  Json spans = Json::array();
  for (const DecisionRecord& record : records) {
    if (has_ids(record)) spans.push_back(render_span(record));
  }
  return render_request("resourceSpans", "scopeSpans", "spans", resource, std::move(spans));
}

}  // namespace egress
