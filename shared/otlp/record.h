// The OTLP form of decision records (control-plane.md, "OTLP records"), in both directions. JSON as the OTLP
// specification has it: ids in hex, 64-bit integers as strings, enumerations as integers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/policy/decision_record.h"

namespace egress {

// Who sends: the OTLP resource.
struct OtlpResource {
  std::string service_name;       // the workload's name, or the program's
  std::string service_namespace;  // the fleet namespace
  std::string host_name;
};

// ExportLogsServiceRequest / ExportTraceServiceRequest with one resource and one scope. A dial or lookup that was not
// allowed gives a span too; log and span of one record share trace and span id, which derive from its id.
std::string render_logs(const OtlpResource& resource, std::span<const DecisionRecord> records);
std::string render_traces(const OtlpResource& resource, std::span<const DecisionRecord> records);

// "egress.dial.denied", "egress.dial.allowed", "egress.dial.would_deny", "egress.dns.denied", "egress.events.dropped".
std::string_view event_name(const DecisionRecord& record);

// One received log record or span, kept as it came. Attributes of the record win over those of its resource.
struct ReceivedRecord {
  std::string event_name;
  std::string event_id;  // attribute egress.event_id; empty if the sender is not ours
  UnixMillis time_ms = 0;
  std::string resource_json;
  std::string scope_json;
  std::string record_json;
  std::map<std::string, std::string> attributes;  // flattened to text; resource attributes included
};

// Strict in structure, tolerant of unknown fields, as OTLP/HTTP asks. kInvalidArgument names the field's path; at most
// kMaxRecordsPerRequest records (kTooLarge).
inline constexpr std::size_t kMaxRecordsPerRequest = 65'536;
Expected<std::vector<ReceivedRecord>> parse_logs(std::string_view json);
Expected<std::vector<ReceivedRecord>> parse_traces(std::string_view json);

// The decision that a received record describes; nullopt if it is not one of ours.
std::optional<DecisionRecord> find_decision(const ReceivedRecord& record);

}  // namespace egress
