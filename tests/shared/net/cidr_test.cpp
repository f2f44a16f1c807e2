#include "shared/net/cidr.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

Address address(const char* text) { return parse_address(text).value(); }
Cidr cidr(const char* text) { return parse_cidr(text).value().cidr; }

TEST(CidrTest, ContainsExactlyItsAddresses) {
  const struct {
    const char* cidr;
    const char* address;
    bool expected;
  } kCases[] = {
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "9.255.255.255", false},
      {"0.0.0.0/0", "255.255.255.255", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "10.0.0.1", false},
      {"::/0", "::ffff:10.0.0.1", false},
      {"1.2.3.4/32", "1.2.3.4", true},
      {"1.2.3.4/32", "1.2.3.5", false},
      {"1.2.3.4", "1.2.3.4", true},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::", false},
      {"2001:db8::8000/113", "2001:db8::8001", true},
      {"2001:db8::8000/113", "2001:db8::7fff", false},
      {"fe80::/64", "fe80::1:2:3:4", true},
      {"fe80::/64", "fe80:0:0:1::", false},
      {"::ffff:10.0.0.0/104", "10.1.2.3", true},
      {"1.2.3.0/28", "1.2.3.15", true},
      {"1.2.3.0/28", "1.2.3.16", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(contains(cidr(c.cidr), address(c.address)), c.expected) << c.cidr << " " << c.address;
  }
}

TEST(CidrTest, MasksHostBitsAndSaysSo) {
  const auto parsed = parse_cidr("10.1.2.3/8").value();
  EXPECT_TRUE(parsed.masked);
  EXPECT_EQ(format_cidr(parsed.cidr), "10.0.0.0/8");
  EXPECT_FALSE(parse_cidr("10.0.0.0/8").value().masked);
  EXPECT_EQ(format_cidr(cidr("2001:db8::1/32")), "2001:db8::/32");
}

TEST(CidrTest, RejectsPrefixLongerThanAddress) {
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8", "/8",
                           "10.0.0/8", "x/8", "::ffff:10.0.0.0/95", "fe80::1%eth0/64", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(parse_cidr(text)) << text;
  }
}

TEST(CidrTest, ContainsNarrowerBlocks) {
  EXPECT_TRUE(contains(cidr("10.0.0.0/8"), cidr("10.2.0.0/16")));
  EXPECT_TRUE(contains(cidr("10.0.0.0/8"), cidr("10.0.0.0/8")));
  EXPECT_FALSE(contains(cidr("10.2.0.0/16"), cidr("10.0.0.0/8")));
  EXPECT_FALSE(contains(cidr("10.0.0.0/8"), cidr("11.0.0.0/16")));
  EXPECT_FALSE(contains(cidr("::/0"), cidr("10.0.0.0/8")));
  EXPECT_TRUE(contains(cidr("::/0"), cidr("2001:db8::/32")));
}

}  // namespace
}  // namespace egress
