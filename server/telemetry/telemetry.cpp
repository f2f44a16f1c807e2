#include "server/telemetry/telemetry.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/service/egress_policy.h"
#include "server/telemetry/denial_audit.h"
#include "shared/json/strict_json.h"
#include "shared/otlp/record.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

// One report cannot push a counter out of range.
constexpr std::uint64_t kMaxHitsPerRecord = std::uint64_t{1} << 40;

std::string without_marks(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == kAttributeMark || c == kValueMark; }, ' ');
  return text;
}

TelemetryRow make_row(Signal signal, const ReceivedRecord& record, UnixMillis now_ms) {
  TelemetryRow row;
  row.signal = signal;
  row.event_id = record.event_id;
  row.event_name = record.event_name;
  row.time_ms = record.time_ms == 0 ? now_ms : record.time_ms;
  row.resource = record.resource_json;
  row.scope = record.scope_json;
  row.record = record.record_json;
  row.attributes = kAttributeMark;
  for (const auto& [key, value] : record.attributes) {
    row.attributes += without_marks(key) + kValueMark + without_marks(value) + kAttributeMark;
  }
  return row;
}

void take_decision(Writer& writer, UnixMillis now_ms, const ReceivedRecord& record) {
  const auto decision = find_decision(record);
  if (!decision) return;
  audit_denial(writer, now_ms, *decision, record);
  if (decision->kind != RecordKind::kDropped && decision->layer == kEgressLayer) {
    writer.add_rule_use(kEgressLayer,
                        {decision->rule, std::min(decision->count, kMaxHitsPerRecord), decision->last_seen_ms});
  }
}

// Whether the sender may say this: a workload speaks for itself alone.
bool is_of(const ReceivedRecord& record, const Principal& sender) {
  if (sender.kind != Principal::Kind::kWorkload) return true;
  const auto says = [&](const char* key, const std::string& expected) {
    const auto found = record.attributes.find(key);
    return found != record.attributes.end() && found->second == expected;
  };
  return says("agent.namespace", sender.scope) && says("agent.name", sender.workload);
}

Result<void> check_sender(const Principal& sender, const std::vector<ReceivedRecord>& records) {
  if (sender.kind != Principal::Kind::kUser) return {};
  for (const ReceivedRecord& record : records) {
    const auto named = record.attributes.find("agent.namespace");
    const std::string path = named == record.attributes.end() ? std::string(kRootNamespace) : named->second;
    if (auto may_report = require(sender, Role::kOperator, path); !may_report) return may_report;
  }
  return {};
}

struct Shape {
  std::string outer;
  std::string middle;
  std::string inner;
};

Shape shape_of(Signal signal) {
  if (signal == Signal::kLogs) return {"resourceLogs", "scopeLogs", "logRecords"};
  return {"resourceSpans", "scopeSpans", "spans"};
}

// The texts were rendered by us from parsed JSON, so they are joined, not parsed again.
std::string render_rows(const Shape& shape, const std::vector<TelemetryRow>& rows, std::optional<std::uint64_t> next) {
  std::string text = "{\"" + shape.outer + "\":[";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TelemetryRow& row = rows[i];
    const bool same_source = i > 0 && rows[i - 1].resource == row.resource && rows[i - 1].scope == row.scope;
    if (same_source) {
      text += ",";
    } else {
      if (i > 0) text += "]}]},";
      text += "{\"resource\":" + row.resource + ",\"" + shape.middle + "\":[{\"scope\":" + row.scope + ",\"" +
              shape.inner + "\":[";
    }
    text += row.record;
  }
  if (!rows.empty()) text += "]}]}";
  text += "],\"next_cursor\":" + (next ? "\"" + std::to_string(*next) + "\"" : std::string("null")) + "}";
  return text;
}

}  // namespace

Result<Telemetry::Rejected> Telemetry::ingest(Signal signal, std::string_view json, const Principal& sender) {
  const auto records = signal == Signal::kLogs ? parse_logs(json) : parse_traces(json);
  if (!records) {
    ++malformed_batches_;
    return refuse(records.error().code, "invalid_otlp", records.error().message);
  }
  if (auto may_report = check_sender(sender, *records); !may_report) return tl::unexpected(may_report.error());
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t added = 0;
  auto done = store_.write([&](Writer& writer) -> Result<Rejected> {
    Rejected rejected;
    for (const ReceivedRecord& record : *records) {
      if (!is_of(record, sender)) {
        ++rejected.count;
        continue;
      }
      if (!writer.add_telemetry(make_row(signal, record, now_ms))) continue;
      ++added;
      if (signal == Signal::kLogs) take_decision(writer, now_ms, record);
    }
    if (rejected.count > 0) {
      rejected.reason = "agent.namespace and agent.name are not those of the token: expected " + sender.scope +
                        " and " + sender.workload;
    }
    return rejected;
  });
  if (!done) {
    not_stored_ += records->size();
    return done;
  }
  accepted_ += added;
  duplicates_ += records->size() - added - done->count;
  not_theirs_ += done->count;
  return done;
}

Result<std::string> Telemetry::find(TelemetryFilter filter) {
  for (auto& [key, value] : filter.attributes) {
    key = without_marks(std::move(key));
    value = without_marks(std::move(value));
  }
  auto rows = store_.read([&](Reader& reader) { return reader.telemetry(filter); });
  if (!rows) return tl::unexpected(Refusal(rows.error()));
  std::optional<std::uint64_t> next;
  if (rows->more) next = rows->rows.back().id;
  return render_rows(shape_of(filter.signal), rows->rows, next);
}

}  // namespace egress::server
