#include "server/api/domain_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/service/domain_json.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct ReadList {
  Change<std::vector<DomainEntry>> domains;
  Warnings warnings;
  std::string problem;  // "field: message"
};

ReadList read_list(const std::string& json) {
  const Json object = Json::parse(json);
  ObjectFields fields(object);
  ReadList result;
  result.domains = read_domains(fields, "list", result.warnings);
  if (const auto done = fields.finish(); !done) result.problem = done.error().message;
  return result;
}

TEST(ReadDomainsTest, ReadsStringsAndObjectsAndRendersThemBack) {
  const auto result = read_list(
      R"({"list":["API.Stripe.com",{"domain":"*.x.eu","reason":"r","expires_at":"2027-01-31T00:00:00Z"},"10.1.2.3/8"]})");
  ASSERT_EQ(result.problem, "");
  ASSERT_TRUE(result.domains.value);
  EXPECT_EQ(render_domains(*result.domains.value).dump(),
            R"(["api.stripe.com",{"domain":"*.x.eu","reason":"r","expires_at":"2027-01-31T00:00:00Z"},"10.0.0.0/8"])");
  EXPECT_THAT(result.warnings, ElementsAre("10.1.2.3/8 has host bits set: stored as 10.0.0.0/8"));
}

TEST(ReadDomainsTest, NullIsNotEmpty) {
  EXPECT_FALSE(read_list("{}").domains.present);
  const auto null = read_list(R"({"list":null})");
  EXPECT_TRUE(null.domains.present);
  EXPECT_FALSE(null.domains.value);
  EXPECT_TRUE(read_list(R"({"list":[]})").domains.value->empty());
}

TEST(ReadDomainsTest, NamesTheEntryThatIsWrong) {
  EXPECT_THAT(read_list(R"({"list":["a.b","a..b"]})").problem, HasSubstr("list[1]"));
  EXPECT_THAT(read_list(R"({"list":[7]})").problem, HasSubstr("list[0]: expected a string or an object"));
  EXPECT_THAT(read_list(R"({"list":[{"reason":"x"}]})").problem, HasSubstr("list[0].domain: is required"));
  EXPECT_THAT(read_list(R"({"list":[{"domain":"a.b","why":"x"}]})").problem, HasSubstr("list[0].why: unknown field"));
  EXPECT_THAT(read_list(R"({"list":[{"domain":"a.b","expires_at":"soon"}]})").problem, HasSubstr("list[0].expires_at"));
  EXPECT_THAT(read_list(R"({"list":["a.b","A.B."]})").problem,
              HasSubstr("list[1]: a.b stands in the list already, at list[0]"));
  EXPECT_THAT(read_list(R"({"list":"a.b"})").problem, HasSubstr("list: expected an array"));
  EXPECT_THAT(read_list(R"({"list":["x.*.y"]})").problem, HasSubstr("list[0]"));
}

TEST(ReadExpiryTest, ReadsEitherFormAndRefusesBoth) {
  const auto read = [](const std::string& json) {
    const Json object = Json::parse(json);
    ObjectFields fields(object);
    const auto expiry = read_expiry(fields, 1'000);
    const auto done = fields.finish();
    return std::pair(expiry, done ? std::string() : done.error().message);
  };
  EXPECT_EQ(read(R"({"expires_in":"2s"})").first.value, 3'000);
  EXPECT_EQ(read(R"({"expires_at":"1970-01-01T00:00:05Z"})").first.value, 5'000);
  EXPECT_FALSE(read("{}").first.present);
  EXPECT_TRUE(read(R"({"expires_at":null})").first.present);
  EXPECT_THAT(read(R"({"expires_in":"2s","expires_at":"1970-01-01T00:00:05Z"})").second, HasSubstr("not both"));
  EXPECT_THAT(read(R"({"expires_in":"2 fortnights"})").second, HasSubstr("expires_in"));
}

}  // namespace
}  // namespace egress::server
