#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/metrics/measured_store.h"
#include "server/store/sqlite/sqlite_store.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsRequestsByRouteAndClassOfStatus) {
  Metrics metrics;
  metrics.request_answered("GET", "/api/mode", 200, 0.002);
  metrics.request_answered("GET", "/api/mode", 204, 0.2);
  metrics.request_answered("GET", "/api/mode", 503, 0.1);
  const std::string text = metrics.render({});
  EXPECT_THAT(text, HasSubstr("egress_http_requests_total{method=\"GET\",route=\"/api/mode\",status=\"2xx\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("egress_http_requests_total{method=\"GET\",route=\"/api/mode\",status=\"5xx\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("egress_http_request_duration_seconds_bucket{method=\"GET\",route=\"/api/mode\",le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_http_request_duration_seconds_count{method=\"GET\",route=\"/api/mode\"} 3\n"));
}

TEST(MetricsTest, WhatNoRouteAnsweredIsOneSeriesWhateverItAskedFor) {
  Metrics metrics;
  for (int i = 0; i < 100; ++i) metrics.request_answered("M" + std::to_string(i), "", 404, 0.001);
  const std::string text = metrics.render({});
  EXPECT_THAT(text, HasSubstr("egress_http_requests_total{method=\"none\",route=\"none\",status=\"4xx\"} 100\n"));
  EXPECT_THAT(text, Not(HasSubstr("M7")));
}

TEST(MetricsTest, CountsConnectionsAndFailures) {
  Metrics metrics;
  metrics.connection_opened();
  metrics.connection_opened();
  metrics.connection_closed();
  metrics.connection_refused();
  metrics.handshake_failed();
  metrics.authentication_failed(AuthenticationFailure::kRateLimited);
  const std::string text = metrics.render({});
  EXPECT_THAT(text, HasSubstr("egress_http_connections_open 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_http_connections_refused_total 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_tls_handshakes_failed_total 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_authentication_failures_total{reason=\"rate_limited\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_authentication_failures_total{reason=\"unknown\"} 0\n"));
}

TEST(MetricsTest, ValuesOfOneNameShareOneHead) {
  const Metrics metrics;
  const std::string text = metrics.render({{"x_agents", CurrentValue::Kind::kGauge, "Agents.", "state", "a", 1},
                                           {"x_agents", CurrentValue::Kind::kGauge, "Agents.", "state", "b", 2},
                                           {"x_total", CurrentValue::Kind::kCounter, "All.", {}, {}, 3}});
  EXPECT_THAT(text, HasSubstr("# HELP x_agents Agents.\n# TYPE x_agents gauge\nx_agents{state=\"a\"} 1\n"
                              "x_agents{state=\"b\"} 2\n# HELP x_total All.\n# TYPE x_total counter\nx_total 3\n"));
}

TEST(MeasuredStoreTest, TellsHowWritesEndedAndPassesOnWhatTheySay) {
  const TemporaryDirectory directory;
  const auto inner = SqliteStore::open(directory.path() + "/egress.db", 1).value();
  Metrics metrics;
  MeasuredStore store(*inner, metrics);
  const auto bump = [](Writer& writer) -> Expected<std::uint64_t> { return writer.bump_revision(1, "me", "a test"); };
  EXPECT_EQ(store.write(bump).value(), 1u);
  const auto refused = store.write([&](Writer& writer) -> Expected<std::uint64_t> {
    (void)bump(writer);
    return fail(ErrorCode::kConflict, "not this time");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not this time");
  EXPECT_EQ(store.read([](Reader& reader) { return reader.revision(); }).value(), 1u) << "the refused write is undone";
  const auto failed = store.write([&](Writer& writer) -> Expected<std::uint64_t> {
    TokenRecord token;
    writer.put_token(token);
    token.id = "another";
    writer.put_token(token);  // the same hash: the store fails
    return 1;
  });
  const std::string text = metrics.render({});
  EXPECT_THAT(text, HasSubstr("egress_store_writes_total{outcome=\"committed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_store_writes_total{outcome=\"refused\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("egress_store_writes_total{outcome=\"failed\"} 1\n"));
  EXPECT_FALSE(failed);
  EXPECT_THAT(text, HasSubstr("egress_store_write_duration_seconds_count 3\n"));
}

}  // namespace
}  // namespace egress::server
