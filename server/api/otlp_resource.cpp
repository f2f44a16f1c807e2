#include "server/api/otlp_resource.h"

#include "server/api/fields.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxAttributeFilters = 16;

}  // namespace

Result<Response> receive_otlp(Telemetry& telemetry, Signal signal, const Request& request) {
  const auto rejected = telemetry.ingest(signal, request.body, request.principal);
  if (!rejected) return tl::unexpected(rejected.error());
  Json partial = Json::object();
  if (rejected->count > 0) {
    partial[signal == Signal::kLogs ? "rejectedLogRecords" : "rejectedSpans"] = std::to_string(rejected->count);
    partial["errorMessage"] = rejected->reason;
  }
  Json body = Json::object();
  body["partialSuccess"] = std::move(partial);
  Response response;
  response.body = body.dump();
  return response;
}

Result<Response> list_otlp(Telemetry& telemetry, Signal signal, const Request& request) {
  QueryFields query(request);
  TelemetryFilter filter;
  filter.signal = signal;
  filter.since_ms = query.time("since");
  filter.until_ms = query.time("until");
  filter.before_id = query.number("cursor");
  filter.limit = query.limit(kDefaultPage, kMaxTelemetryPage);
  filter.attributes = query.with_prefix("attr.");
  if (filter.attributes.size() > kMaxAttributeFilters) {
    query.refuse("attr", "more than " + std::to_string(kMaxAttributeFilters) + " attribute filters");
  }
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (request.principal.scope != kRootNamespace) filter.subtree = request.principal.scope;
  auto records = telemetry.find(filter);
  if (!records) return tl::unexpected(records.error());
  Response response;
  response.body = *std::move(records) + "\n";
  return response;
}

}  // namespace egress::server
