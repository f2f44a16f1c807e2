#include "shared/net/address.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

Address address(const char* text) { return parse_address(text).value(); }

TEST(AddressTest, RoundTripsCanonicalText) {
  for (const char* text :
       {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3:4", "64:ff9b::a00:1"}) {
    const auto parsed = parse_address(text);
    ASSERT_TRUE(parsed) << text;
    if (std::string_view(text) != "64:ff9b::a00:1") {
      EXPECT_EQ(format_address(*parsed), text);
    }
    EXPECT_EQ(address(format_address(*parsed).c_str()), *parsed);
  }
}

TEST(AddressTest, MappedIpv6IsTheIpv4Address) {
  EXPECT_EQ(address("::ffff:10.0.0.5"), address("10.0.0.5"));
  EXPECT_EQ(format_address(address("::ffff:a00:5")), "10.0.0.5");
  EXPECT_TRUE(is_ipv4(address("::ffff:10.0.0.5")));
  EXPECT_FALSE(is_ipv4(address("::10.0.0.5")));
}

TEST(AddressTest, DropsTheScope) { EXPECT_EQ(address("fe80::1%eth0"), address("fe80::1")); }

TEST(AddressTest, RefusesOtherSpellings) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "0x7f.1", "017700000001", "127.1", "1.2.3.4%eth0", "1.2.3.256",
                           ":::", "1::2::3", "example.com", "10.0.0.1 ", "[::1]"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)));
}

TEST(AddressTest, UnspecifiedIsLoopback) {
  EXPECT_EQ(canonical(address("0.0.0.0")), address("127.0.0.1"));
  EXPECT_EQ(canonical(address("::")), address("::1"));
  EXPECT_EQ(canonical(address("10.0.0.1")), address("10.0.0.1"));
}

TEST(AddressTest, KnowsTheSpecialRanges) {
  EXPECT_TRUE(is_loopback(address("127.255.255.254")));
  EXPECT_TRUE(is_loopback(address("::1")));
  EXPECT_FALSE(is_loopback(address("128.0.0.1")));
  EXPECT_FALSE(is_loopback(address("::2")));
  EXPECT_TRUE(is_link_local(address("169.254.169.254")));
  EXPECT_TRUE(is_link_local(address("fe80::1")));
  EXPECT_TRUE(is_link_local(address("febf::1")));
  EXPECT_FALSE(is_link_local(address("fec0::1")));
  EXPECT_FALSE(is_link_local(address("169.253.1.1")));
  EXPECT_TRUE(is_synthetic(address("240.0.0.2")));
  EXPECT_TRUE(is_synthetic(address("255.255.255.254")));
  EXPECT_FALSE(is_synthetic(address("255.255.255.255")));
  EXPECT_FALSE(is_synthetic(address("239.1.1.1")));
}

TEST(AddressTest, FindsEmbeddedIpv4) {
  EXPECT_EQ(embedded_ipv4(address("64:ff9b::10.0.0.5")), address("10.0.0.5"));
  EXPECT_EQ(embedded_ipv4(address("2002:a00:5::1")), address("10.0.0.5"));
  EXPECT_EQ(embedded_ipv4(address("::10.0.0.5")), address("10.0.0.5"));
  EXPECT_EQ(embedded_ipv4(address("::1")), std::nullopt);
  EXPECT_EQ(embedded_ipv4(address("::")), std::nullopt);
  EXPECT_EQ(embedded_ipv4(address("2001:db8::1")), std::nullopt);
  EXPECT_EQ(embedded_ipv4(address("10.0.0.5")), std::nullopt);
  EXPECT_EQ(embedded_ipv4(address("64:ff9b:1::10.0.0.5")), std::nullopt);
}

}  // namespace
}  // namespace egress
