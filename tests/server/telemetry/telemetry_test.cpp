#include "server/telemetry/telemetry.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "shared/otlp/record.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using nlohmann::ordered_json;

const OtlpResource kResource{"web", "prod", "host-1"};

DecisionRecord denial(char digit) {
  DecisionRecord record;
  record.id = std::string(31, '0') + digit;
  record.deny_reason = DenyReason::kPolicy;
  record.layer = "namespace:prod";
  record.rule = "unmatched";
  record.revision = 5;
  record.name = "evil.example";
  record.address = "192.0.2.7";
  record.port = 443;
  record.namespace_path = "prod";
  record.workload = "web";
  record.count = 2;
  record.first_seen_ms = 1'700'000'000'000;
  record.last_seen_ms = 1'700'000'001'000;
  return record;
}

class TelemetryTest : public ServiceTest {
 protected:
  void ingest(const std::vector<DecisionRecord>& records) {
    const auto done = telemetry_.ingest(Signal::kLogs, render_logs(kResource, records), Principal::open());
    ASSERT_TRUE(done) << done.error().message;
  }
  ordered_json find(TelemetryFilter filter = {}) {
    if (filter.limit == 0) filter.limit = 100;
    return ordered_json::parse(telemetry_.find(filter).value());
  }
  static std::size_t count(const ordered_json& request) {
    std::size_t records = 0;
    for (const auto& resource : request.at("resourceLogs")) {
      for (const auto& scope : resource.at("scopeLogs")) records += scope.at("logRecords").size();
    }
    return records;
  }

  Telemetry telemetry_{*store_, clock_};
};

TEST_F(TelemetryTest, AWorkloadSpeaksForItselfAlone) {
  const Principal web{Principal::Kind::kWorkload, "prod:web", Role::kViewer, "prod", "id", "web"};
  DecisionRecord elsewhere = denial('2');
  elsewhere.namespace_path = "dev";
  DecisionRecord other = denial('3');
  other.workload = "db";
  DecisionRecord nobody = denial('4');
  nobody.namespace_path.clear();
  const std::vector records{denial('1'), elsewhere, other, nobody};
  const auto rejected = telemetry_.ingest(Signal::kLogs, render_logs(kResource, records), web);
  ASSERT_TRUE(rejected) << rejected.error().message;
  EXPECT_EQ(rejected->count, 3u);
  EXPECT_NE(rejected->reason.find("agent.namespace"), std::string::npos);
  EXPECT_EQ(count(find()), 1u);
  EXPECT_EQ(audit_rows().size(), 1u);
  const auto from_anyone = telemetry_.ingest(Signal::kLogs, render_logs(kResource, records), Principal::open());
  ASSERT_TRUE(from_anyone);
  EXPECT_EQ(from_anyone->count, 0u);
  EXPECT_EQ(from_anyone->reason, "");
}

TEST_F(TelemetryTest, CountsWhatBecameOfRecords) {
  ingest({denial('1'), denial('2')});
  ingest({denial('2'), denial('3')});
  EXPECT_FALSE(telemetry_.ingest(Signal::kLogs, "{\"resourceLogs\": 1}", Principal::open()));
  const auto counts = telemetry_.counts();
  EXPECT_EQ(counts.accepted, 3u);
  EXPECT_EQ(counts.duplicates, 1u);
  EXPECT_EQ(counts.not_stored, 0u);
  EXPECT_EQ(counts.malformed_batches, 1u);
}

TEST_F(TelemetryTest, WhatComesInGoesOutAsItCame) {
  const std::string sent = render_logs(kResource, std::vector{denial('1'), denial('2')});
  ASSERT_TRUE(telemetry_.ingest(Signal::kLogs, sent, Principal::open()));
  auto got = find();
  EXPECT_EQ(got.at("next_cursor"), nullptr);
  got.erase("next_cursor");
  auto expected = ordered_json::parse(sent);
  auto& records = expected["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
  std::reverse(records.begin(), records.end());  // newest first
  EXPECT_EQ(got, expected);
}

TEST_F(TelemetryTest, ADenialBecomesAnAuditRowThatQuotesIt) {
  ingest({denial('1')});
  const auto rows = audit_rows();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].event, "proxy_domain_denied");
  EXPECT_EQ(rows[0].namespace_path, "prod");
  EXPECT_EQ(rows[0].subject, "evil.example:443");
  EXPECT_EQ(rows[0].workload, "web");
  EXPECT_EQ(rows[0].host, "evil.example");
  EXPECT_EQ(rows[0].verdict, "deny");
  EXPECT_EQ(rows[0].layer, "namespace:prod");
  const auto detail = ordered_json::parse(rows[0].detail);
  EXPECT_EQ(detail.at("host"), "evil.example");
  EXPECT_EQ(detail.at("address"), "192.0.2.7");
  EXPECT_EQ(detail.at("port"), 443);
  EXPECT_EQ(detail.at("transport"), "tcp");
  EXPECT_EQ(detail.at("layer"), "namespace:prod");
  EXPECT_EQ(detail.at("rule"), "unmatched");
  EXPECT_EQ(detail.at("deny_reason"), "policy");
  EXPECT_EQ(detail.at("count"), 2);
  EXPECT_EQ(detail.at("first_seen"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(detail.at("last_seen"), "2023-11-14T22:13:21Z");
  EXPECT_EQ(detail.at("event_id"), denial('1').id);
  EXPECT_EQ(detail.at("trace_id"), denial('1').id);
  EXPECT_EQ(detail.at("span_id"), std::string(15, '0') + "1");
  EXPECT_EQ(rows[0].hash, audit_hash(rows[0]));
}

TEST_F(TelemetryTest, OnlyDenialsAreAudited) {
  auto allowed = denial('1');
  allowed.verdict = Verdict::kAllow;
  allowed.deny_reason = DenyReason::kNone;
  auto dropped = denial('2');
  dropped.kind = RecordKind::kDropped;
  auto shadow = denial('3');
  shadow.verdict = Verdict::kWouldDeny;
  auto lookup = denial('4');
  lookup.kind = RecordKind::kLookup;
  lookup.address.clear();
  lookup.port = 0;
  auto nameless = denial('5');
  nameless.name.clear();
  ingest({allowed, dropped, shadow, lookup, nameless});
  const auto rows = audit_rows();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[2].event, "proxy_domain_would_deny");
  EXPECT_EQ(rows[1].event, "proxy_domain_denied");
  EXPECT_EQ(rows[1].subject, "evil.example");
  EXPECT_EQ(rows[0].subject, "192.0.2.7:443");
  EXPECT_EQ(count(find()), 5U);
}

TEST_F(TelemetryTest, ABatchSentTwiceCountsOnce) {
  auto used = denial('1');
  used.layer = "egress";
  used.rule = "block evil.example";
  ingest({used, denial('2')});
  ingest({used, denial('2')});
  EXPECT_EQ(audit_rows().size(), 2U);
  EXPECT_EQ(count(find()), 2U);
  const auto uses = store_->read([](Reader& reader) { return reader.rule_uses("egress"); }).value();
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_EQ(uses[0].rule, "block evil.example");
  EXPECT_EQ(uses[0].hits, 2U);
  EXPECT_EQ(uses[0].last_used_ms, 1'700'000'001'000);
}

TEST_F(TelemetryTest, AMalformedBatchIsRefusedWhole) {
  const auto refused = telemetry_.ingest(
      Signal::kLogs, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"ok"},{"timeUnixNano":"x"}]}]}]})",
      Principal::open());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "invalid_otlp");
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("logRecords[1].timeUnixNano"));
  EXPECT_EQ(count(find()), 0U);
}

TEST_F(TelemetryTest, SpansAreStoredWithoutAuditRows) {
  const std::vector records{denial('1')};
  ASSERT_TRUE(telemetry_.ingest(Signal::kTraces, render_traces(kResource, records), Principal::open()));
  EXPECT_TRUE(audit_rows().empty());
  TelemetryFilter filter;
  filter.signal = Signal::kTraces;
  EXPECT_EQ(find(filter).at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0).at("name"),
            "egress.dial.denied");
}

TEST_F(TelemetryTest, RecordsAreFilteredByAttributeAndTimeAndPaged) {
  auto other = denial('2');
  other.deny_reason = DenyReason::kAuthRequired;
  other.last_seen_ms += 60'000;
  ingest({denial('1'), other, denial('3')});
  TelemetryFilter by_reason;
  by_reason.attributes = {{"clrk.egress.deny_reason", "policy"}};
  EXPECT_EQ(count(find(by_reason)), 2U);
  by_reason.attributes.emplace_back("egress.event_id", denial('3').id);
  EXPECT_EQ(count(find(by_reason)), 1U);
  TelemetryFilter by_time;
  by_time.since_ms = other.last_seen_ms;
  EXPECT_EQ(count(find(by_time)), 1U);
  by_time.until_ms = other.last_seen_ms;
  EXPECT_EQ(count(find(by_time)), 0U);
  TelemetryFilter page;
  page.limit = 2;
  const auto first = find(page);
  EXPECT_EQ(count(first), 2U);
  page.before_id = std::stoull(first.at("next_cursor").get<std::string>());
  const auto second = find(page);
  EXPECT_EQ(count(second), 1U);
  EXPECT_EQ(second.at("next_cursor"), nullptr);
}

TEST_F(TelemetryTest, MarksInsideAttributesCannotForgeOthers) {
  auto forged = denial('1');
  forged.workload = std::string("x\x1e") + "egress.verdict\x1f" + "allow\x1e";
  ingest({forged});
  TelemetryFilter filter;
  filter.attributes = {{"egress.verdict", "allow"}};
  EXPECT_EQ(count(find(filter)), 0U);
}

TEST_F(TelemetryTest, ASubtreeHoldsTheNamespaceAndWhatIsBelow) {
  std::vector<DecisionRecord> records;
  for (const char* path : {"prod", "prod/pay", "prod/pay/eu", "prod/pay-not", "dev"}) {
    records.push_back(denial(static_cast<char>('1' + records.size())));
    records.back().namespace_path = path;
  }
  ingest(records);
  TelemetryFilter filter;
  filter.subtree = "prod/pay";
  EXPECT_EQ(count(find(filter)), 2U);
  filter.subtree = "prod";
  EXPECT_EQ(count(find(filter)), 4U);
  filter.attributes = {{"agent.namespace", "dev"}};
  EXPECT_EQ(count(find(filter)), 0U);
}

TEST_F(TelemetryTest, APersonReportsOnlyOfTheirSubtree) {
  const Principal sender{Principal::Kind::kUser, "ci", Role::kOperator, "prod", "id", {}};
  auto other = denial('2');
  other.namespace_path = "dev";
  const auto refused =
      telemetry_.ingest(Signal::kLogs, render_logs(kResource, std::vector{denial('1'), other}), sender);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "out_of_scope");
  EXPECT_EQ(count(find()), 0U);
  EXPECT_TRUE(telemetry_.ingest(Signal::kLogs, render_logs(kResource, std::vector{denial('1')}), sender));
  EXPECT_EQ(telemetry_.ingest(Signal::kLogs, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]})", sender)
                .error()
                .code,
            "out_of_scope")
      << "what names no namespace is the root's";
}

TEST_F(TelemetryTest, AnAbsurdCountDoesNotBreakTheBatch) {
  auto absurd = denial('1');
  absurd.layer = "egress";
  absurd.count = std::uint64_t{1} << 62;
  auto again = absurd;
  again.id = denial('2').id;
  ingest({absurd, again});
  EXPECT_EQ(count(find()), 2U);
}

}  // namespace
}  // namespace egress::server
