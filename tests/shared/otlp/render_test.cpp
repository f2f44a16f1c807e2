#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "shared/otlp/record.h"

namespace egress {
namespace {

using nlohmann::ordered_json;

DecisionRecord denied_dial() {
  DecisionRecord record;
  record.id = "0123456789abcdeffedcba9876543210";
  record.deny_reason = DenyReason::kPolicy;
  record.layer = "namespace:prod";
  record.rule = "unmatched";
  record.revision = 42;
  record.name = "evil.example";
  record.names = {"evil.example", "also.example"};
  record.address = "192.0.2.7";
  record.port = 443;
  record.namespace_path = "prod/payments";
  record.workload = "checkout";
  record.labels = {{"app", "shop"}, {"tier", "front"}};
  record.pid = 4711;
  record.exe = "/usr/bin/curl";
  record.count = 3;
  record.first_seen_ms = 1'700'000'000'123;
  record.last_seen_ms = 1'700'000'005'000;
  return record;
}

const OtlpResource kResource{"checkout", "prod/payments", "host-1"};

ordered_json value_of(const ordered_json& holder, const std::string& key) {
  for (const auto& attribute : holder.at("attributes")) {
    if (attribute.at("key") == key) return attribute.at("value");
  }
  return nullptr;
}

TEST(OtlpRenderTest, ADeniedDialIsALogRecordOfTheDocumentedShape) {
  const DecisionRecord record = denied_dial();
  const auto request = ordered_json::parse(render_logs(kResource, {&record, 1}));
  const auto& with_resource = request.at("resourceLogs").at(0);
  EXPECT_EQ(value_of(with_resource.at("resource"), "service.name"), (ordered_json{{"stringValue", "checkout"}}));
  EXPECT_EQ(value_of(with_resource.at("resource"), "host.name"), (ordered_json{{"stringValue", "host-1"}}));
  const auto& log = with_resource.at("scopeLogs").at(0).at("logRecords").at(0);
  EXPECT_EQ(log.at("eventName"), "egress.dial.denied");
  EXPECT_EQ(log.at("body"), (ordered_json{{"stringValue", "egress.dial.denied"}}));
  EXPECT_EQ(log.at("severityNumber"), 13);
  EXPECT_EQ(log.at("severityText"), "WARN");
  EXPECT_EQ(log.at("timeUnixNano"), "1700000005000000000");
  EXPECT_EQ(log.at("traceId"), record.id);
  EXPECT_EQ(log.at("spanId").get<std::string>().size(), 16U);
  EXPECT_EQ(value_of(log, "clrk.egress.deny_reason"), (ordered_json{{"stringValue", "policy"}}));
  EXPECT_EQ(value_of(log, "clrk.dst.name"), (ordered_json{{"stringValue", "evil.example"}}));
  EXPECT_EQ(value_of(log, "clrk.egress.policy.default"), (ordered_json{{"stringValue", "deny"}}));
  EXPECT_EQ(value_of(log, "agent.name"), (ordered_json{{"stringValue", "checkout"}}));
  EXPECT_EQ(value_of(log, "agent.namespace"), (ordered_json{{"stringValue", "prod/payments"}}));
  EXPECT_EQ(value_of(log, "network.peer.address"), (ordered_json{{"stringValue", "192.0.2.7"}}));
  EXPECT_EQ(value_of(log, "network.peer.port"), (ordered_json{{"intValue", "443"}}));
  EXPECT_EQ(value_of(log, "network.transport"), (ordered_json{{"stringValue", "tcp"}}));
  EXPECT_EQ(value_of(log, "network.type"), (ordered_json{{"stringValue", "ipv4"}}));
  EXPECT_EQ(value_of(log, "server.address"), (ordered_json{{"stringValue", "evil.example"}}));
  EXPECT_EQ(value_of(log, "error.type"), (ordered_json{{"stringValue", "policy"}}));
  EXPECT_EQ(value_of(log, "security_rule.ruleset.name"), (ordered_json{{"stringValue", "namespace:prod"}}));
  EXPECT_EQ(value_of(log, "security_rule.version"), (ordered_json{{"stringValue", "42"}}));
  EXPECT_EQ(value_of(log, "egress.count"), (ordered_json{{"intValue", "3"}}));
  EXPECT_EQ(value_of(log, "egress.first_seen"), (ordered_json{{"stringValue", "2023-11-14T22:13:20.123Z"}}));
}

TEST(OtlpRenderTest, TheSpanOfADenialSharesItsIdsAndSaysWhy) {
  const DecisionRecord record = denied_dial();
  const auto logs = ordered_json::parse(render_logs(kResource, {&record, 1}));
  const auto& log = logs.at("resourceLogs").at(0).at("scopeLogs").at(0).at("logRecords").at(0);
  const auto traces = ordered_json::parse(render_traces(kResource, {&record, 1}));
  const auto& span = traces.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(span.at("name"), "egress.dial.denied");
  EXPECT_EQ(span.at("kind"), 2);
  EXPECT_EQ(span.at("status"), (ordered_json{{"message", "policy"}, {"code", 2}}));
  EXPECT_EQ(span.at("startTimeUnixNano"), "1700000000123000000");
  EXPECT_EQ(span.at("endTimeUnixNano"), "1700000005000000000");
  EXPECT_EQ(span.at("traceId"), log.at("traceId"));
  EXPECT_EQ(span.at("spanId"), log.at("spanId"));
}

TEST(OtlpRenderTest, AllowedAndDroppedRecordsHaveNoSpan) {
  std::vector<DecisionRecord> records(2, denied_dial());
  records[0].verdict = Verdict::kAllow;
  records[0].deny_reason = DenyReason::kNone;
  records[1].kind = RecordKind::kDropped;
  const auto traces = ordered_json::parse(render_traces(kResource, records));
  EXPECT_TRUE(traces.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").empty());
  const auto logs = ordered_json::parse(render_logs(kResource, records));
  const auto& allowed = logs.at("resourceLogs").at(0).at("scopeLogs").at(0).at("logRecords").at(0);
  EXPECT_EQ(allowed.at("severityNumber"), 9);
  EXPECT_FALSE(allowed.contains("traceId"));
}

TEST(OtlpRenderTest, EventNamesFollowKindAndVerdict) {
  DecisionRecord record = denied_dial();
  EXPECT_EQ(event_name(record), "egress.dial.denied");
  record.verdict = Verdict::kWouldDeny;
  EXPECT_EQ(event_name(record), "egress.dial.would_deny");
  record.verdict = Verdict::kAllow;
  EXPECT_EQ(event_name(record), "egress.dial.allowed");
  record.kind = RecordKind::kLookup;
  record.verdict = Verdict::kDeny;
  EXPECT_EQ(event_name(record), "egress.dns.denied");
  record.kind = RecordKind::kDropped;
  EXPECT_EQ(event_name(record), "egress.events.dropped");
}

TEST(OtlpRoundTripTest, EveryFieldOfADecisionSurvives) {
  std::vector<DecisionRecord> records(5, denied_dial());
  records[1].verdict = Verdict::kWouldDeny;
  records[1].mode = Mode::kShadow;
  records[2].kind = RecordKind::kLookup;
  records[2].deny_reason = DenyReason::kDnsName;
  records[2].address.clear();
  records[2].port = 0;
  records[2].names.clear();
  records[3].kind = RecordKind::kLookup;
  records[3].verdict = Verdict::kWouldDeny;
  records[3].address.clear();
  records[3].port = 0;
  records[4].verdict = Verdict::kAllow;
  records[4].deny_reason = DenyReason::kNone;
  records[4].address = "2001:db8::1";
  records[4].transport = Transport::kUdp;
  records[4].default_action = Action::kAllow;
  records[4].name.clear();
  const auto received = parse_logs(render_logs(kResource, records));
  ASSERT_TRUE(received) << received.error().message;
  ASSERT_EQ(received->size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    SCOPED_TRACE(i);
    const auto decision = find_decision((*received)[i]);
    ASSERT_TRUE(decision);
    const DecisionRecord& sent = records[i];
    EXPECT_EQ(decision->id, sent.id);
    EXPECT_EQ(decision->kind, sent.kind);
    EXPECT_EQ(decision->verdict, sent.verdict);
    EXPECT_EQ(decision->deny_reason, sent.deny_reason);
    EXPECT_EQ(decision->layer, sent.layer);
    EXPECT_EQ(decision->rule, sent.rule);
    EXPECT_EQ(decision->revision, sent.revision);
    EXPECT_EQ(decision->mode, sent.mode);
    EXPECT_EQ(decision->default_action, sent.default_action);
    EXPECT_EQ(decision->name, sent.name);
    EXPECT_EQ(decision->names, sent.names);
    EXPECT_EQ(decision->address, sent.address);
    EXPECT_EQ(decision->port, sent.port);
    EXPECT_EQ(decision->transport, sent.transport);
    EXPECT_EQ(decision->namespace_path, sent.namespace_path);
    EXPECT_EQ(decision->workload, sent.workload);
    EXPECT_EQ(decision->labels, sent.labels);
    EXPECT_EQ(decision->pid, sent.pid);
    EXPECT_EQ(decision->exe, sent.exe);
    EXPECT_EQ(decision->count, sent.count);
    EXPECT_EQ(decision->first_seen_ms, sent.first_seen_ms);
    EXPECT_EQ(decision->last_seen_ms, sent.last_seen_ms);
  }
}

}  // namespace
}  // namespace egress
