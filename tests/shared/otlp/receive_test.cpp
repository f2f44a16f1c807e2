#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/otlp/record.h"

namespace egress {
namespace {

using ::testing::HasSubstr;

// A log record with `inside` as its fields.
std::string with_log(const std::string& inside) {
  return R"({"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}}]},)"
         R"("scopeLogs":[{"scope":{"name":"x"},"logRecords":[{)" +
         inside + "}]}]}]}";
}

TEST(OtlpReceiveTest, KeepsRecordScopeAndResourceAsTheyCame) {
  const auto records = parse_logs(with_log(R"("eventName":"e","unknownField":{"deep":[1]},"timeUnixNano":"5000000")"));
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_EQ(records->size(), 1U);
  const ReceivedRecord& record = records->front();
  EXPECT_EQ(record.event_name, "e");
  EXPECT_EQ(record.time_ms, 5);
  EXPECT_EQ(record.record_json, R"({"eventName":"e","unknownField":{"deep":[1]},"timeUnixNano":"5000000"})");
  EXPECT_EQ(record.scope_json, R"({"name":"x"})");
  EXPECT_EQ(record.attributes.at("service.name"), "svc");
}

TEST(OtlpReceiveTest, FlattensEveryKindOfValue) {
  const auto records = parse_logs(with_log(R"("attributes":[
      {"key":"text","value":{"stringValue":"t"}}, {"key":"flag","value":{"boolValue":true}},
      {"key":"big","value":{"intValue":"-9223372036854775808"}}, {"key":"small","value":{"intValue":7}},
      {"key":"real","value":{"doubleValue":1.5}}, {"key":"raw","value":{"bytesValue":"AAE="}},
      {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"2"}]}}},
      {"key":"pairs","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}},
      {"key":"service.name","value":{"stringValue":"the record wins"}}, {"key":"none","value":{}}])"));
  ASSERT_TRUE(records) << records.error().message;
  const auto& attributes = records->front().attributes;
  EXPECT_EQ(attributes.at("text"), "t");
  EXPECT_EQ(attributes.at("flag"), "true");
  EXPECT_EQ(attributes.at("big"), "-9223372036854775808");
  EXPECT_EQ(attributes.at("small"), "7");
  EXPECT_EQ(attributes.at("real"), "1.5");
  EXPECT_EQ(attributes.at("raw"), "AAE=");
  EXPECT_EQ(attributes.at("list"), R"(["a","2"])");
  EXPECT_EQ(attributes.at("pairs"), R"({"values":[{"key":"k","value":{"stringValue":"v"}}]})");
  EXPECT_EQ(attributes.at("service.name"), "the record wins");
  EXPECT_EQ(attributes.at("none"), "");
}

TEST(OtlpReceiveTest, AnEmptyRequestHasNoRecords) {
  EXPECT_TRUE(parse_logs("{}")->empty());
  EXPECT_TRUE(parse_logs(R"({"resourceLogs":[]})")->empty());
  EXPECT_TRUE(parse_traces(R"({"resourceSpans":[{"scopeSpans":[{"spans":null}]}]})")->empty());
}

TEST(OtlpReceiveTest, SpansAreNamedAndTimedByTheirOwnFields) {
  const auto spans = parse_traces(
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"n","startTimeUnixNano":"1000000","endTimeUnixNano":2000000}]}]}]})");
  ASSERT_TRUE(spans) << spans.error().message;
  EXPECT_EQ(spans->front().event_name, "n");
  EXPECT_EQ(spans->front().time_ms, 1);
}

TEST(OtlpReceiveTest, FallsBackToTheObservedTimeAndTheOlderEventName) {
  const auto records = parse_logs(with_log(
      R"("timeUnixNano":"0","observedTimeUnixNano":"3000000","attributes":[{"key":"event.name","value":{"stringValue":"old"}}])"));
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->front().time_ms, 3);
  EXPECT_EQ(records->front().event_name, "old");
}

struct BadOtlp {
  std::string name;
  std::string json;
  std::string expected;
};

class OtlpRefusalTest : public ::testing::TestWithParam<BadOtlp> {};

TEST_P(OtlpRefusalTest, NamesThePath) {
  const auto records = parse_logs(GetParam().json);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(records.error().message, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    , OtlpRefusalTest,
    ::testing::Values(
        BadOtlp{"NotJson", "x", "line 1"}, BadOtlp{"NotAnObject", "[]", "not a JSON object"},
        BadOtlp{"ResourcesNotAnArray", R"({"resourceLogs":{}})", "resourceLogs is not an array"},
        BadOtlp{"ResourceNotAnObject", R"({"resourceLogs":[1]})", "resourceLogs[0] is not an object"},
        BadOtlp{"ScopesNotAnArray", R"({"resourceLogs":[{"scopeLogs":1}]})", "resourceLogs[0].scopeLogs"},
        BadOtlp{"RecordNotAnObject", R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[[]]}]}]})",
                "resourceLogs[0].scopeLogs[0].logRecords[0] is not an object"},
        BadOtlp{"BadTime", with_log(R"("timeUnixNano":"yesterday")"), "logRecords[0].timeUnixNano"},
        BadOtlp{"NegativeTime", with_log(R"("timeUnixNano":-1)"), "logRecords[0].timeUnixNano"},
        BadOtlp{"BadTraceId", with_log(R"("traceId":"xyz")"), "logRecords[0].traceId"},
        BadOtlp{"ShortSpanId", with_log(R"("spanId":"00")"), "16 hexadecimal digits"},
        BadOtlp{"AttributesNotAnArray", with_log(R"("attributes":{})"), "logRecords[0].attributes"},
        BadOtlp{"KeyNotAString", with_log(R"("attributes":[{"key":1}])"), "attributes[0].key"},
        BadOtlp{"ValueNotAnObject", with_log(R"("attributes":[{"key":"k","value":"v"}])"), "attributes[0].value"},
        BadOtlp{"BadInteger", with_log(R"("attributes":[{"key":"k","value":{"intValue":"1x"}}])"), "intValue"},
        BadOtlp{"DuplicateKey", R"({"resourceLogs":[],"resourceLogs":[]})", "given twice"}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(OtlpReceiveTest, BoundsTheRecordsOfARequest) {
  std::string records = "{}";
  for (std::size_t i = 0; i < kMaxRecordsPerRequest; ++i) records += ",{}";
  const auto parsed = parse_logs(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)" + records + "]}]}]}");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kTooLarge);
}

ReceivedRecord ours() {
  ReceivedRecord record;
  record.event_name = "egress.dial.denied";
  record.event_id = "00000000000000000000000000000001";
  return record;
}

TEST(FindDecisionTest, IgnoresForeignRecords) {
  EXPECT_TRUE(find_decision(ours()));
  ReceivedRecord foreign = ours();
  foreign.event_name = "http.request";
  EXPECT_FALSE(find_decision(foreign));
  ReceivedRecord anonymous = ours();
  anonymous.event_id.clear();
  EXPECT_FALSE(find_decision(anonymous));
}

TEST(FindDecisionTest, IgnoresRecordsWithMalformedValues) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"server.port", "70000"},
                                                        {"egress.count", "-1"},
                                                        {"egress.verdict", "maybe"},
                                                        {"network.transport", "carrier pigeon"},
                                                        {"egress.first_seen", "noon"}}) {
    ReceivedRecord record = ours();
    record.attributes[key] = value;
    EXPECT_FALSE(find_decision(record)) << key;
  }
}

}  // namespace
}  // namespace egress
