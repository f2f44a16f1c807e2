#include "server/api/openapi/resources.h"
#include "server/telemetry/telemetry.h"

namespace egress::server::openapi {
namespace {

constexpr std::size_t kDefaultPage = 100;

// {"resourceLogs": [...]}: the records themselves are OpenTelemetry's to describe.
Json records(const std::string& list, bool is_page) {
  std::vector<Field> fields = {{list, array_of(any_object()), is_page}};
  if (is_page) fields.push_back({"next_cursor", nullable(text())});
  Json schema = object_schema(fields);
  if (!is_page) schema.erase("additionalProperties");  // OTLP: unknown fields are ignored
  return schema;
}

Operation receive_call(const std::string& path, const std::string& id, const std::string& list) {
  const Json nothing_refused = object_schema({});
  return {.method = Method::kPost,
          .path = path,
          .id = id,
          .summary = "Receives OTLP/HTTP, as JSON.",
          .body = records(list, false),
          .answers = {{200, "All of it is stored.", object_schema({{"partialSuccess", nothing_refused}})}},
          .errors = {"invalid_otlp"}};
}

Operation list_call(const std::string& path, const std::string& id, const std::string& list) {
  return {.method = Method::kGet,
          .path = path,
          .id = id,
          .summary = "Stored records as OTLP JSON, newest first.",
          .query = {{"since", time_schema(), "From this time on."},
                    {"until", time_schema(), "Before this time."},
                    {"attr.*", text(), "attr.NAME=VALUE: only records with this attribute; at most 16."},
                    {"cursor", integer(0, kMaxInteger), "The next_cursor of the page before; absent: the first page."},
                    limit_parameter(kDefaultPage, kMaxTelemetryPage)},
          .answers = {{200, "A page of records.", records(list, true)}}};
}

}  // namespace

Description describe_otlp() {
  Description otlp;
  otlp.operations = {
      receive_call("/v1/logs", "receiveLogs", "resourceLogs"),
      receive_call("/v1/traces", "receiveTraces", "resourceSpans"),
      list_call("/api/otlp/logs", "listLogs", "resourceLogs"),
      list_call("/api/otlp/traces", "listTraces", "resourceSpans"),
  };
  return otlp;
}

}  // namespace egress::server::openapi
