#include "shared/base/time_text.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(TimeTextTest, ParsesWhatRfc3339Allows) {
  const struct {
    const char* text;
    UnixMillis expected_ms;
  } kCases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2027-01-31T00:00:00Z", 1801353600000},
      {"2027-01-31t00:00:00z", 1801353600000},
      {"2027-01-31T01:30:00+01:30", 1801353600000},
      {"2027-01-30T23:00:00-01:00", 1801353600000},
      {"2027-01-31T00:00:00.5Z", 1801353600500},
      {"2027-01-31T00:00:00.123456789Z", 1801353600123},
      {"2024-02-29T12:00:00Z", 1709208000000},
  };
  for (const auto& c : kCases) {
    const auto parsed = parse_time(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(*parsed, c.expected_ms) << c.text;
  }
}

TEST(TimeTextTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "2027", "2027-01-31", "2027-01-31T00:00:00", "2027-13-01T00:00:00Z", "2027-02-29T00:00:00Z",
        "2027-01-31T24:00:00Z", "2027-01-31T00:60:00Z", "2027-01-31T00:00:00.Z", "2027-01-31T00:00:00Zx",
        "2027-01-31 00:00:00Z", "1969-12-31T23:59:59Z", "2027-01-31T00:00:00+25:00", "+027-01-31T00:00:00Z"}) {
    const auto parsed = parse_time(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("RFC 3339"), std::string::npos);
  }
}

TEST(TimeTextTest, FormatsWhatItParses) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2027-01-31T12:34:56Z", "2027-01-31T12:34:56.007Z"}) {
    EXPECT_EQ(format_time(parse_time(text).value()), text);
  }
}

TEST(TimeTextTest, DurationsHaveOneCountAndOneUnit) {
  EXPECT_EQ(parse_duration_ms("90s").value(), 90'000);
  EXPECT_EQ(parse_duration_ms("15m").value(), 900'000);
  EXPECT_EQ(parse_duration_ms("2h").value(), 7'200'000);
  EXPECT_EQ(parse_duration_ms("7d").value(), 604'800'000);
  for (const char* text : {"", "s", "0s", "-1s", "1", "1w", "1h30m", "1.5h", "99999999999999999999s", "3661d"}) {
    EXPECT_FALSE(parse_duration_ms(text)) << text;
  }
}

}  // namespace
}  // namespace egress
