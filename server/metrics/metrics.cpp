#include "server/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <mutex>
#include <tuple>

namespace egress::server {
namespace {

using prometheus::Counter;
using prometheus::Histogram;

// Held polls take up to a minute; everything else should be in the first half.
const Histogram::BucketBoundaries kRequestSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   60};
const Histogram::BucketBoundaries kWriteSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                   0.05,   0.1,   0.25,   0.5,   1,    5};
constexpr std::array<const char*, 3> kWriteOutcomes = {"committed", "refused", "failed"};
constexpr std::array<const char*, 7> kAuthenticationFailures = {"missing",      "unknown",      "revoked", "expired",
                                                                "session_over", "rate_limited", "other"};
constexpr std::array<const char*, 4> kStatusClasses = {"2xx", "3xx", "4xx", "5xx"};

template <typename Enumeration>
std::size_t index_of(Enumeration value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

struct Metrics::Families {
  struct Meter {
    std::array<Counter*, kStatusClasses.size()> requests{};
    Histogram* seconds = nullptr;
  };

  Meter& meter_of(const std::string& method, const std::string& route);

  prometheus::Registry registry;
  prometheus::Family<Counter>& requests = prometheus::BuildCounter()
                                              .Name("egress_http_requests_total")
                                              .Help("Requests answered, by route and class of status.")
                                              .Register(registry);
  prometheus::Family<Histogram>& request_seconds =
      prometheus::BuildHistogram()
          .Name("egress_http_request_duration_seconds")
          .Help("From a request's header to the end of its answer; held polls count their wait.")
          .Register(registry);
  prometheus::Gauge& connections = prometheus::BuildGauge()
                                       .Name("egress_http_connections_open")
                                       .Help("Connections open now.")
                                       .Register(registry)
                                       .Add({});
  Counter& refused = prometheus::BuildCounter()
                         .Name("egress_http_connections_refused_total")
                         .Help("Connections closed at once because max-connections were open.")
                         .Register(registry)
                         .Add({});
  Counter& handshakes = prometheus::BuildCounter()
                            .Name("egress_tls_handshakes_failed_total")
                            .Help("TLS handshakes that failed or took too long.")
                            .Register(registry)
                            .Add({});
  prometheus::Family<Counter>& writes = prometheus::BuildCounter()
                                            .Name("egress_store_writes_total")
                                            .Help("Write transactions, by how they ended.")
                                            .Register(registry);
  Histogram& write_seconds = prometheus::BuildHistogram()
                                 .Name("egress_store_write_duration_seconds")
                                 .Help("Write transactions, waiting for their turn included.")
                                 .Register(registry)
                                 .Add({}, kWriteSeconds);
  prometheus::Family<Counter>& failures = prometheus::BuildCounter()
                                              .Name("egress_authentication_failures_total")
                                              .Help("Requests refused for who sent them, by reason.")
                                              .Register(registry);
  std::array<Counter*, kWriteOutcomes.size()> writes_by_outcome{};
  std::array<Counter*, kAuthenticationFailures.size()> failures_by_reason{};

  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Meter> meters;  // guarded by mutex; bounded by the route table
};

Metrics::Families::Meter& Metrics::Families::meter_of(const std::string& method, const std::string& route) {
  const std::lock_guard lock(mutex);
  const auto [at, added] = meters.try_emplace({method, route});
  Meter& meter = at->second;
  if (!added) return meter;
  for (std::size_t i = 0; i < kStatusClasses.size(); ++i) {
    meter.requests[i] = &requests.Add({{"method", method}, {"route", route}, {"status", kStatusClasses[i]}});
  }
  meter.seconds = &request_seconds.Add({{"method", method}, {"route", route}}, kRequestSeconds);
  return meter;
}

Metrics::Metrics() : families_(std::make_unique<Families>()) {
  for (std::size_t i = 0; i < kWriteOutcomes.size(); ++i) {
    families_->writes_by_outcome[i] = &families_->writes.Add({{"outcome", kWriteOutcomes[i]}});
  }
  for (std::size_t i = 0; i < kAuthenticationFailures.size(); ++i) {
    families_->failures_by_reason[i] = &families_->failures.Add({{"reason", kAuthenticationFailures[i]}});
  }
}

Metrics::~Metrics() = default;

void Metrics::connection_opened() { families_->connections.Increment(); }
void Metrics::connection_closed() { families_->connections.Decrement(); }
void Metrics::connection_refused() { families_->refused.Increment(); }
void Metrics::handshake_failed() { families_->handshakes.Increment(); }

void Metrics::request_answered(std::string_view method, std::string_view route, unsigned status, double seconds) {
  auto& meter = route.empty() ? families_->meter_of("none", "none")
                              : families_->meter_of(std::string(method), std::string(route));
  if (status >= 200 && status < 600) meter.requests[status / 100 - 2]->Increment();
  meter.seconds->Observe(seconds);
}

void Metrics::write_ended(WriteOutcome outcome, double seconds) {
  families_->writes_by_outcome[index_of(outcome)]->Increment();
  families_->write_seconds.Observe(seconds);
}

void Metrics::authentication_failed(AuthenticationFailure why) {
  families_->failures_by_reason[index_of(why)]->Increment();
}

std::string Metrics::render(const std::vector<CurrentValue>& current) const {
  std::vector<prometheus::MetricFamily> collected = families_->registry.Collect();
  for (const CurrentValue& value : current) {
    const bool is_gauge = value.kind == CurrentValue::Kind::kGauge;
    if (collected.empty() || collected.back().name != value.name) {
      prometheus::MetricFamily family;
      family.name = std::string(value.name);
      family.help = std::string(value.help);
      family.type = is_gauge ? prometheus::MetricType::Gauge : prometheus::MetricType::Counter;
      collected.push_back(std::move(family));
    }
    prometheus::ClientMetric metric;
    if (!value.label.empty()) metric.label.push_back({std::string(value.label), std::string(value.label_value)});
    (is_gauge ? metric.gauge.value : metric.counter.value) = value.value;
    collected.back().metric.push_back(std::move(metric));
  }
  return prometheus::TextSerializer().Serialize(collected);
}

}  // namespace egress::server
