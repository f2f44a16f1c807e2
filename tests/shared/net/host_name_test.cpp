#include "shared/net/host_name.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(HostNameTest, Canonicalises) {
  const struct {
    const char* text;
    const char* expected;
  } kCases[] = {
      {"api.stripe.com", "api.stripe.com"},
      {"API.Stripe.COM", "api.stripe.com"},
      {"api.stripe.com.", "api.stripe.com"},
      {"_dmarc.example.com", "_dmarc.example.com"},
      {"localhost", "localhost"},
      {"b\xc3\xbc"
       "cher.example",
       "xn--bcher-kva.example"},
      {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
      {"fa\xc3\x9f.de", "xn--fa-hia.de"},
  };
  for (const auto& c : kCases) {
    const auto parsed = parse_host_name(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, c.expected);
  }
}

TEST(HostNameTest, RefusesWithTheReason) {
  const std::string long_label(64, 'a');
  std::string long_name;
  for (int i = 0; i < 64; ++i) long_name += "abc.";
  const struct {
    std::string text;
    const char* reason;
  } kCases[] = {
      {"", "empty"},
      {".", "empty"},
      {"a..b", "label is empty"},
      {".a", "label is empty"},
      {"a b", "only letters"},
      {"a/b", "only letters"},
      {"*.a", "only letters"},
      {long_label + ".com", "63 bytes"},
      {long_name + "com", "253 bytes"},
      {std::string("a\0b", 3), "NUL"},
      {std::string(4000, 'a'), "253 bytes"},
      {"a@b", "only letters"},
      {"a..", "label is empty"},
  };
  for (const auto& c : kCases) {
    const auto parsed = parse_host_name(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_NE(parsed.error().message.find(c.reason), std::string::npos) << parsed.error().message;
  }
}

TEST(HostNameTest, AcceptsTheLongestNameAndLabel) {
  const std::string label(63, 'a');
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(name.size(), 253u);
  EXPECT_EQ(parse_host_name(name + ".").value(), name);
  EXPECT_FALSE(parse_host_name(name + "b"));
}

}  // namespace
}  // namespace egress
