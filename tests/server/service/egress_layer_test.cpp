#include "server/service/egress_layer.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

HostPattern pattern(const std::string& text) { return parse_host_pattern(text).value().pattern; }

TEST(EgressLayerTest, TheGlobalTableAbstainsAndNamesItsRules) {
  const Layer layer = make_egress_layer({{Action::kDeny, pattern("evil.example"), "ti", false, 5, "me", 1},
                                         {Action::kAllow, pattern("api.stripe.com"), "pay", true, {}, "me", 1}});
  EXPECT_EQ(layer.id, "egress");
  EXPECT_EQ(layer.unmatched, Vote::kAbstain);
  EXPECT_FALSE(layer.quarantine);
  ASSERT_EQ(layer.rules.size(), 2U);
  EXPECT_EQ(layer.rules[0].name, "block evil.example");
  EXPECT_EQ(layer.rules[0].action, Action::kDeny);
  EXPECT_EQ(layer.rules[0].expires_at_ms, 5);
  EXPECT_EQ(layer.rules[1].name, "allow api.stripe.com");
  EXPECT_TRUE(layer.rules[1].require_auth);
  EXPECT_EQ(layer.rules[1].hosts, std::vector{pattern("api.stripe.com")});
}

TEST(EgressLayerTest, AnAddressInADomainListMatchesAddresses) {
  const Layer layer = make_egress_layer({{Action::kAllow, pattern("10.0.0.0/8"), "", false, {}, "me", 1}});
  ASSERT_EQ(layer.rules.size(), 1U);
  EXPECT_TRUE(layer.rules[0].hosts.empty());
  ASSERT_EQ(layer.rules[0].cidrs.size(), 1U);
  EXPECT_EQ(format_cidr(layer.rules[0].cidrs[0].cidr), "10.0.0.0/8");
}

}  // namespace
}  // namespace egress::server
