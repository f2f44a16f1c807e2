#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "shared/base/hex.h"
#include "shared/base/time_text.h"
#include "shared/json/strict_json.h"
#include "shared/otlp/record.h"

namespace egress {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kNanosPerMilli = 1'000'000;

// How the three levels of a signal are called, and where a record keeps its name and its times.
struct SignalShape {
  const char* outer;
  const char* middle;
  const char* inner;
  const char* name;
  std::array<const char*, 2> times;  // the first that is present and not zero counts
};

constexpr SignalShape kLogs{
    "resourceLogs", "scopeLogs", "logRecords", "eventName", {"timeUnixNano", "observedTimeUnixNano"}};
constexpr SignalShape kSpans{"resourceSpans", "scopeSpans", "spans", "name", {"startTimeUnixNano", "endTimeUnixNano"}};

tl::unexpected<Error> wrong(const std::string& path, const std::string& expected) {
  return fail(ErrorCode::kInvalidArgument, path + " is not " + expected);
}

std::string at_index(const std::string& path, std::size_t index) { return path + "[" + std::to_string(index) + "]"; }

std::string in(const std::string& path, const char* key) { return path.empty() ? key : path + "." + key; }

// JSON null stands for an absent field, as protobuf's JSON mapping has it.
const Json* find_field(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json& empty_array() {
  static const Json kEmpty = Json::array();
  return kEmpty;
}

Expected<const Json*> array_field(const Json& object, const char* key, const std::string& path) {
  const Json* value = find_field(object, key);
  if (!value) return &empty_array();
  if (!value->is_array()) return wrong(in(path, key), "an array");
  return value;
}

// An integer given as a JSON string of digits or as a JSON number.
template <typename Integer>
std::optional<Integer> find_integer(const Json& value) {
  if (value.is_number_unsigned() && std::in_range<Integer>(value.get<std::uint64_t>())) {
    return static_cast<Integer>(value.get<std::uint64_t>());
  }
  if (value.is_number_integer() && !value.is_number_unsigned() && std::in_range<Integer>(value.get<std::int64_t>())) {
    return static_cast<Integer>(value.get<std::int64_t>());
  }
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  Integer integer{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return integer;
}

Expected<std::string> flatten_value(const Json& value, const std::string& path);

// Arrays and key-value lists become the JSON text of their flattened elements.
Expected<Json> flatten_list(const Json& values, const std::string& path) {
  if (!values.is_object()) return wrong(path, "an object with values");
  const auto list = array_field(values, "values", path);
  if (!list) return tl::unexpected(list.error());
  Json texts = Json::array();
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto text = flatten_value((**list)[i], at_index(in(path, "values"), i));
    if (!text) return tl::unexpected(text.error());
    texts.push_back(*std::move(text));
  }
  return texts;
}

Expected<std::string> flatten_value(const Json& value, const std::string& path) {
  if (!value.is_object()) return wrong(path, "an AnyValue object");
  if (value.empty()) return std::string();
  if (const Json* text = find_field(value, "stringValue")) {
    if (!text->is_string()) return wrong(path + ".stringValue", "a string");
    return text->get<std::string>();
  }
  if (const Json* flag = find_field(value, "boolValue")) {
    if (!flag->is_boolean()) return wrong(path + ".boolValue", "a boolean");
    return std::string(flag->get<bool>() ? "true" : "false");
  }
  if (const Json* integer = find_field(value, "intValue")) {
    const auto number = find_integer<std::int64_t>(*integer);
    if (!number) return wrong(path + ".intValue", "a 64-bit integer");
    return std::to_string(*number);
  }
  if (const Json* number = find_field(value, "doubleValue")) {
    if (number->is_string()) return number->get<std::string>();  // "NaN", "Infinity"
    if (!number->is_number()) return wrong(path + ".doubleValue", "a number");
    return number->dump();
  }
  if (const Json* bytes = find_field(value, "bytesValue")) {
    if (!bytes->is_string()) return wrong(path + ".bytesValue", "a base64 string");
    return bytes->get<std::string>();
  }
  if (const Json* array = find_field(value, "arrayValue")) {
    const auto list = flatten_list(*array, path + ".arrayValue");
    if (!list) return tl::unexpected(list.error());
    return render_json(*list);
  }
  if (const Json* pairs = find_field(value, "kvlistValue")) {
    if (!pairs->is_object()) return wrong(path + ".kvlistValue", "an object with values");
    return render_json(*pairs);
  }
  return std::string();  // a kind of value that a later specification added
}

Expected<void> collect_attributes(const Json& holder, const std::string& path,
                                  std::map<std::string, std::string>& attributes) {
  const auto list = array_field(holder, "attributes", path);
  if (!list) return tl::unexpected(list.error());
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    const Json& attribute = (**list)[i];
    const std::string here = at_index(in(path, "attributes"), i);
    if (!attribute.is_object()) return wrong(here, "an object with key and value");
    const Json* key = find_field(attribute, "key");
    if (!key || !key->is_string()) return wrong(here + ".key", "a string");
    const Json* value = find_field(attribute, "value");
    if (!value) continue;
    auto text = flatten_value(*value, here + ".value");
    if (!text) return tl::unexpected(text.error());
    attributes.insert_or_assign(key->get<std::string>(), *std::move(text));
  }
  return {};
}

Expected<void> check_id(const Json& record, const char* key, std::size_t digits, const std::string& path) {
  const Json* id = find_field(record, key);
  if (!id) return {};
  if (id->is_string()) {
    const auto& text = id->get_ref<const std::string&>();
    if (text.empty() || (text.size() == digits && parse_hex(text))) return {};
  }
  return wrong(in(path, key), std::to_string(digits) + " hexadecimal digits");
}

Expected<UnixMillis> read_time(const Json& record, const SignalShape& shape, const std::string& path) {
  UnixMillis result = 0;
  for (const char* key : shape.times) {
    const Json* value = find_field(record, key);
    if (!value) continue;
    const auto nanos = find_integer<std::uint64_t>(*value);
    if (!nanos) return wrong(in(path, key), "a time in nanoseconds since 1970 (an unsigned integer, as a string)");
    if (result == 0) result = static_cast<UnixMillis>(*nanos / kNanosPerMilli);
  }
  return result;
}

// Logs written before the eventName field existed name themselves by attribute.
std::string find_event_name(const Json& record, const SignalShape& shape,
                            const std::map<std::string, std::string>& attributes) {
  const Json* name = find_field(record, shape.name);
  if (name && name->is_string() && !name->get_ref<const std::string&>().empty()) return name->get<std::string>();
  const auto attribute = attributes.find("event.name");
  return attribute == attributes.end() ? std::string() : attribute->second;
}

class Receiver {
 public:
  explicit Receiver(const SignalShape& shape) : shape_(shape) {}

  Expected<std::vector<ReceivedRecord>> receive(std::string_view json) {
    const auto document = parse_json(json);
    if (!document) return tl::unexpected(document.error());
    if (!document->is_object()) return fail(ErrorCode::kInvalidArgument, "the request is not a JSON object");
    const auto resources = array_field(*document, shape_.outer, "");
    if (!resources) return tl::unexpected(resources.error());
    for (std::size_t i = 0; i < (*resources)->size(); ++i) {
      if (auto done = read_resource((**resources)[i], at_index(shape_.outer, i)); !done)
        return tl::unexpected(done.error());
    }
    return std::move(records_);
  }

 private:
  Expected<void> read_resource(const Json& holder, const std::string& path) {
    if (!holder.is_object()) return wrong(path, "an object");
    ReceivedRecord base;
    if (const Json* resource = find_field(holder, "resource")) {
      if (!resource->is_object()) return wrong(in(path, "resource"), "an object");
      if (auto done = collect_attributes(*resource, in(path, "resource"), base.attributes); !done) return done;
      base.resource_json = render_json(*resource);
    } else {
      base.resource_json = "{}";
    }
    const auto scopes = array_field(holder, shape_.middle, path);
    if (!scopes) return tl::unexpected(scopes.error());
    for (std::size_t i = 0; i < (*scopes)->size(); ++i) {
      if (auto done = read_scope((**scopes)[i], at_index(in(path, shape_.middle), i), base); !done) return done;
    }
    return {};
  }

  Expected<void> read_scope(const Json& holder, const std::string& path, ReceivedRecord base) {
    if (!holder.is_object()) return wrong(path, "an object");
    base.scope_json = "{}";
    if (const Json* scope = find_field(holder, "scope")) {
      if (!scope->is_object()) return wrong(in(path, "scope"), "an object");
      base.scope_json = render_json(*scope);
    }
    const auto records = array_field(holder, shape_.inner, path);
    if (!records) return tl::unexpected(records.error());
    for (std::size_t i = 0; i < (*records)->size(); ++i) {
      if (records_.size() == kMaxRecordsPerRequest) {
        return fail(ErrorCode::kTooLarge,
                    "more than " + std::to_string(kMaxRecordsPerRequest) + " records in one request");
      }
      if (auto done = read_record((**records)[i], at_index(in(path, shape_.inner), i), base); !done) return done;
    }
    return {};
  }

  Expected<void> read_record(const Json& json, const std::string& path, ReceivedRecord record) {
    if (!json.is_object()) return wrong(path, "an object");
    if (auto done = collect_attributes(json, path, record.attributes); !done) return done;
    if (auto done = check_id(json, "traceId", 32, path); !done) return done;
    if (auto done = check_id(json, "spanId", 16, path); !done) return done;
    const auto time_ms = read_time(json, shape_, path);
    if (!time_ms) return tl::unexpected(time_ms.error());
    record.time_ms = *time_ms;
    record.event_name = find_event_name(json, shape_, record.attributes);
    if (const auto id = record.attributes.find("egress.event_id"); id != record.attributes.end())
      record.event_id = id->second;
    record.record_json = render_json(json);
    records_.push_back(std::move(record));
    return {};
  }

  const SignalShape& shape_;
  std::vector<ReceivedRecord> records_;
};

// ---- from a received record back to the decision

class AttributeReader {
 public:
  explicit AttributeReader(const std::map<std::string, std::string>& attributes) : attributes_(attributes) {}

  std::string text(const std::string& key) const {
    const auto found = attributes_.find(key);
    return found == attributes_.end() ? std::string() : found->second;
  }

  // Absent: `fallback`. Malformed: remembered, and the record is not one of ours.
  template <typename Integer>
  Integer integer(const std::string& key, Integer fallback) {
    const std::string value = text(key);
    if (value.empty()) return fallback;
    Integer number{};
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code == std::errc{} && end == value.data() + value.size()) return number;
    malformed_ = true;
    return fallback;
  }

  UnixMillis time(const std::string& key, UnixMillis fallback) {
    const std::string value = text(key);
    if (value.empty()) return fallback;
    const auto parsed = parse_time(value);
    malformed_ |= !parsed;
    return parsed ? *parsed : fallback;
  }

  template <typename Enum>
  Enum name(const std::string& key, std::optional<Enum> (*find)(std::string_view), Enum fallback) {
    const std::string value = text(key);
    if (value.empty()) return fallback;
    const auto found = find(value);
    malformed_ |= !found;
    return found.value_or(fallback);
  }

  bool malformed() const { return malformed_; }

 private:
  const std::map<std::string, std::string>& attributes_;
  bool malformed_ = false;
};

template <typename Enum, Enum... kValues>
std::optional<Enum> find_named(std::string_view name) {
  std::optional<Enum> found;
  ((name_of(kValues) == name ? void(found = kValues) : void()), ...);
  return found;
}

std::optional<Verdict> find_verdict(std::string_view name) {
  return find_named<Verdict, Verdict::kAllow, Verdict::kDeny, Verdict::kWouldDeny>(name);
}

std::optional<DenyReason> find_deny_reason(std::string_view name) {
  return find_named<DenyReason, DenyReason::kPolicy, DenyReason::kAuthRequired, DenyReason::kControlPlane,
                    DenyReason::kRawSocket, DenyReason::kDnsName, DenyReason::kNoPolicy>(name);
}

std::optional<RecordKind> find_kind(std::string_view name) {
  if (name == "dial") return RecordKind::kDial;
  if (name == "lookup") return RecordKind::kLookup;
  if (name == "dropped") return RecordKind::kDropped;
  return std::nullopt;
}

RecordKind kind_of_event(std::string_view event) {
  if (event == "egress.events.dropped") return RecordKind::kDropped;
  return event == "egress.dns.denied" ? RecordKind::kLookup : RecordKind::kDial;
}

Verdict verdict_of_event(std::string_view event) {
  if (event == "egress.dial.allowed") return Verdict::kAllow;
  return event == "egress.dial.would_deny" ? Verdict::kWouldDeny : Verdict::kDeny;
}

std::vector<std::string> read_names(const std::string& text) {
  std::vector<std::string> names;
  if (text.empty()) return names;
  const auto list = parse_json(text);
  if (!list || !list->is_array()) return names;
  for (const Json& name : *list) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

std::map<std::string, std::string> read_labels(const std::map<std::string, std::string>& attributes) {
  constexpr std::string_view kPrefix = "egress.label.";
  std::map<std::string, std::string> labels;
  for (auto it = attributes.lower_bound(std::string(kPrefix)); it != attributes.end() && it->first.starts_with(kPrefix);
       ++it) {
    labels.emplace(it->first.substr(kPrefix.size()), it->second);
  }
  return labels;
}

bool is_ours(std::string_view event) {
  return event == "egress.dial.denied" || event == "egress.dial.allowed" || event == "egress.dial.would_deny" ||
         event == "egress.dns.denied" || event == "egress.events.dropped";
}

}  // namespace

Expected<std::vector<ReceivedRecord>> parse_logs(std::string_view json) { return Receiver(kLogs).receive(json); }
Expected<std::vector<ReceivedRecord>> parse_traces(std::string_view json) { return Receiver(kSpans).receive(json); }

std::optional<DecisionRecord> find_decision(const ReceivedRecord& record) {
  if (!is_ours(record.event_name) || record.event_id.empty()) return std::nullopt;
  AttributeReader reader(record.attributes);
  DecisionRecord decision;
  decision.id = record.event_id;
  decision.kind = reader.name("egress.kind", find_kind, kind_of_event(record.event_name));
  decision.verdict = reader.name("egress.verdict", find_verdict, verdict_of_event(record.event_name));
  decision.deny_reason = reader.name("clrk.egress.deny_reason", find_deny_reason, DenyReason::kNone);
  decision.layer = reader.text("security_rule.ruleset.name");
  decision.rule = reader.text("security_rule.name");
  decision.revision = reader.integer<std::uint64_t>("security_rule.version", 0);
  decision.mode = reader.name("egress.mode", find_mode, Mode::kEnforcement);
  decision.default_action = reader.name("clrk.egress.policy.default", find_action, Action::kDeny);
  decision.name = reader.text("clrk.dst.name");
  decision.names = read_names(reader.text("egress.names"));
  decision.address = reader.text("network.peer.address");
  decision.port = reader.integer<std::uint16_t>("server.port", 0);
  decision.transport = reader.name("network.transport", find_transport, Transport::kTcp);
  decision.namespace_path = reader.text("agent.namespace");
  decision.workload = reader.text("agent.name");
  decision.labels = read_labels(record.attributes);
  decision.pid = reader.integer<std::int64_t>("process.pid", 0);
  decision.exe = reader.text("process.executable.path");
  decision.count = reader.integer<std::uint64_t>("egress.count", 1);
  decision.first_seen_ms = reader.time("egress.first_seen", record.time_ms);
  decision.last_seen_ms = reader.time("egress.last_seen", record.time_ms);
  if (reader.malformed()) return std::nullopt;
  return decision;
}

}  // namespace egress
