#include "server/distribution/layer_source.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

HostPattern pattern(const std::string& text) { return parse_host_pattern(text).value().pattern; }

TEST(LayerSourceTest, TheGlobalTableAbstainsAndNamesItsRules) {
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

TEST(LayerSourceTest, AnAddressInADomainListMatchesAddresses) {
  const Layer layer = make_egress_layer({{Action::kAllow, pattern("10.0.0.0/8"), "", false, {}, "me", 1}});
  ASSERT_EQ(layer.rules.size(), 1U);
  EXPECT_TRUE(layer.rules[0].hosts.empty());
  ASSERT_EQ(layer.rules[0].cidrs.size(), 1U);
  EXPECT_EQ(format_cidr(layer.rules[0].cidrs[0].cidr), "10.0.0.0/8");
}

TEST(LayerSourceTest, ANamespaceDeniesWhatItDoesNotListOnlyIfItListsAnything) {
  NamespaceRecord record;
  record.path = "prod/payments";
  record.blocked = {{pattern("b.example"), "", {}}};
  const Layer inherits = make_namespace_layer(record);
  EXPECT_EQ(inherits.id, "namespace:prod/payments");
  EXPECT_EQ(inherits.unmatched, Vote::kAbstain);
  EXPECT_FALSE(inherits.quarantine);
  ASSERT_EQ(inherits.rules.size(), 1U);
  EXPECT_EQ(inherits.rules[0].action, Action::kDeny);

  record.allowed = std::vector<DomainEntry>{{pattern("a.example"), "", 7}};
  const Layer lists = make_namespace_layer(record);
  EXPECT_EQ(lists.unmatched, Vote::kDeny);
  EXPECT_FALSE(lists.quarantine);
  ASSERT_EQ(lists.rules.size(), 2U);
  EXPECT_EQ(lists.rules[1].name, "allow a.example");
  EXPECT_EQ(lists.rules[1].expires_at_ms, 7);

  record.allowed = std::vector<DomainEntry>();
  const Layer quarantine = make_namespace_layer(record);
  EXPECT_EQ(quarantine.unmatched, Vote::kDeny);
  EXPECT_TRUE(quarantine.quarantine);
}

}  // namespace
}  // namespace egress::server
