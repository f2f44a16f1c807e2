#include "server/api/monitoring_resource.h"

#include "server/api/fields.h"

namespace egress::server {
namespace {

using Kind = CurrentValue::Kind;

Response status_response(const char* status) {
  Json body = Json::object();
  body["status"] = status;
  return json_response(200, body);
}

double number(std::uint64_t value) { return static_cast<double>(value); }

void add_fleet(std::vector<CurrentValue>& values, const Expected<ServerHealth::Fleet>& fleet) {
  values.push_back(
      {"egress_store_readable", Kind::kGauge, "Whether the store answers reads.", {}, {}, fleet ? 1.0 : 0.0});
  if (!fleet) return;
  values.push_back(
      {"egress_policy_revision", Kind::kGauge, "The newest policy revision.", {}, {}, number(fleet->revision)});
  constexpr std::string_view kName = "egress_agents";
  constexpr std::string_view kHelp =
      "Agents' sessions by what they last reported. An older revision is current too where nothing newer concerns it.";
  values.push_back({kName, Kind::kGauge, kHelp, "state", "newest_revision", number(fleet->agents.newest)});
  values.push_back({kName, Kind::kGauge, kHelp, "state", "older_revision", number(fleet->agents.older)});
  values.push_back({kName, Kind::kGauge, kHelp, "state", "failing", number(fleet->agents.failing)});
}

void add_telemetry(std::vector<CurrentValue>& values, const Telemetry& telemetry) {
  const auto counts = telemetry.counts();
  constexpr std::string_view kName = "egress_telemetry_records_total";
  constexpr std::string_view kHelp = "Log records and spans received, by what became of them.";
  values.push_back({kName, Kind::kCounter, kHelp, "outcome", "accepted", number(counts.accepted)});
  values.push_back({kName, Kind::kCounter, kHelp, "outcome", "duplicate", number(counts.duplicates)});
  values.push_back({kName, Kind::kCounter, kHelp, "outcome", "not_stored", number(counts.not_stored)});
  values.push_back({kName, Kind::kCounter, kHelp, "outcome", "not_theirs", number(counts.not_theirs)});
  values.push_back({"egress_telemetry_malformed_batches_total",
                    Kind::kCounter,
                    "Batches refused whole, because they are no OTLP.",
                    {},
                    {},
                    number(counts.malformed_batches)});
}

}  // namespace

Result<Response> get_health(const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  return status_response("ok");
}

Result<Response> get_readiness(ServerHealth& health, const Distribution& distribution, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (auto ready = health.check_ready(distribution.can_sign()); !ready) return tl::unexpected(ready.error());
  return status_response("ready");
}

Result<Response> get_metrics(const Metrics& metrics, ServerHealth& health, const Distribution& distribution,
                             const Telemetry& telemetry, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  std::vector<CurrentValue> values;
  add_fleet(values, health.fleet());
  values.push_back({"egress_http_polls_held",
                    Kind::kGauge,
                    "Agents that wait for a bundle now.",
                    {},
                    {},
                    number(distribution.waiting())});
  add_telemetry(values, telemetry);
  Response response;
  response.content_type = kMetricsContentType;
  response.body = metrics.render(values);
  return response;
}

}  // namespace egress::server
