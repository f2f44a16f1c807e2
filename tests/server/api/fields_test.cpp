#include "server/api/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/policy/names.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

std::string field_of(const Refusal& refusal) {
  return refusal.fields ? refusal.fields->at("field").get<std::string>() : "";
}

TEST(ObjectFieldsTest, TellsAbsentNullAndValueApart) {
  const Json object = Json::parse(R"({"a":"x","b":null,"n":7,"f":true})");
  ObjectFields fields(object);
  EXPECT_EQ(fields.text("a", 10).value, "x");
  EXPECT_TRUE(fields.text("b", 10).present);
  EXPECT_FALSE(fields.text("b", 10).value);
  EXPECT_FALSE(fields.text("c", 10).present);
  EXPECT_EQ(fields.number("n", 10).value, 7U);
  EXPECT_EQ(fields.boolean("f").value, true);
  EXPECT_TRUE(fields.finish());
}

TEST(ObjectFieldsTest, RefusesUnknownFieldsWithTheirPath) {
  const Json object = Json::parse(R"({"a":"x","b":1})");
  ObjectFields fields(object, "spec");
  fields.text("a", 10);
  const auto done = fields.finish();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "unknown_field");
  EXPECT_EQ(field_of(done.error()), "spec.b");
}

TEST(ObjectFieldsTest, TheFirstProblemWins) {
  const Json object = Json::parse(R"({"a":1,"b":"long","c":-1,"m":"loud","l":{}})");
  const auto problem = [&](auto read) {
    ObjectFields fields(object);
    read(fields);
    fields.refuse("z", "later");
    const auto done = fields.finish();
    EXPECT_FALSE(done);
    return field_of(done.error()) + ": " + done.error().message;
  };
  EXPECT_THAT(problem([](ObjectFields& f) { f.text("a", 9); }), HasSubstr("a: a: expected a string, found a number"));
  EXPECT_THAT(problem([](ObjectFields& f) { f.text("b", 3); }), HasSubstr("longer than 3 bytes"));
  EXPECT_THAT(problem([](ObjectFields& f) { f.number("c", 9); }), HasSubstr("integer from 0 to 9"));
  EXPECT_THAT(problem([](ObjectFields& f) { f.boolean("b"); }), HasSubstr("expected true or false"));
  EXPECT_THAT(problem([](ObjectFields& f) { f.name("m", find_mode, "enforcement, shadow"); }),
              HasSubstr("\"loud\" is not one of enforcement, shadow"));
  EXPECT_THAT(problem([](ObjectFields& f) { f.required_text("none", 9); }), HasSubstr("is required"));
  bool present = false;
  EXPECT_THAT(problem([&](ObjectFields& f) { f.array("l", 9, present); }), HasSubstr("expected an array"));
}

TEST(ParseBodyTest, WantsAnObject) {
  const auto parse = [](std::string body) {
    Request request;
    request.body = std::move(body);
    return parse_body(request);
  };
  EXPECT_TRUE(parse("{}"));
  for (const char* body : {"", "[]", "null", "{", "{\"a\":1,\"a\":2}", "\xff"}) {
    const auto parsed = parse(body);
    ASSERT_FALSE(parsed) << body;
    EXPECT_EQ(parsed.error().code, "invalid_json");
  }
}

class QueryFieldsTest : public ::testing::Test {
 protected:
  Request with(std::vector<NameValue> query) {
    Request request;
    request.query = std::move(query);
    return request;
  }
};

TEST_F(QueryFieldsTest, ReadsEveryKind) {
  const Request request = with({{"name", "x"},
                                {"force", "true"},
                                {"limit", "5"},
                                {"cursor", "12"},
                                {"since", "2023-11-14T22:13:20Z"},
                                {"attr.a.b", "c"}});
  QueryFields query(request);
  EXPECT_EQ(query.required_text("name"), "x");
  EXPECT_TRUE(query.flag("force"));
  EXPECT_FALSE(query.flag("dry_run"));
  EXPECT_EQ(query.limit(100, 10), 5U);
  EXPECT_EQ(query.number("cursor"), 12U);
  EXPECT_EQ(query.time("since"), 1'700'000'000'000);
  EXPECT_EQ(query.with_prefix("attr."), (std::vector<NameValue>{{"a.b", "c"}}));
  EXPECT_TRUE(query.finish());
}

TEST_F(QueryFieldsTest, RefusesWhatItCannotRead) {
  const auto problem = [&](std::vector<NameValue> given, auto read) {
    const Request request = with(std::move(given));
    QueryFields query(request);
    read(query);
    const auto done = query.finish();
    EXPECT_FALSE(done);
    return done.error().code + " " + field_of(done.error());
  };
  EXPECT_EQ(problem({{"x", "1"}}, [](QueryFields&) {}), "invalid_query x");
  EXPECT_EQ(problem({{"a", "1"}, {"a", "2"}}, [](QueryFields& q) { q.text("a"); }), "invalid_query a");
  EXPECT_EQ(problem({{"force", "yes"}}, [](QueryFields& q) { q.flag("force"); }), "invalid_query force");
  EXPECT_EQ(problem({{"limit", "0"}}, [](QueryFields& q) { q.limit(1, 9); }), "invalid_query limit");
  EXPECT_EQ(problem({{"limit", "10"}}, [](QueryFields& q) { q.limit(1, 9); }), "invalid_query limit");
  EXPECT_EQ(problem({{"cursor", "-1"}}, [](QueryFields& q) { q.number("cursor"); }), "invalid_query cursor");
  EXPECT_EQ(problem({{"since", "today"}}, [](QueryFields& q) { q.time("since"); }), "invalid_query since");
  EXPECT_EQ(problem({}, [](QueryFields& q) { q.required_text("name"); }), "invalid_query name");
}

// Former bugs

TEST_F(QueryFieldsTest, APrefixAloneIsNoParameterOfIt) {
  const Request request = with({{"attr.", "x"}});
  QueryFields query(request);
  EXPECT_TRUE(query.with_prefix("attr.").empty());
  const auto done = query.finish();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "invalid_query");
}

}  // namespace
}  // namespace egress::server
