#include <gtest/gtest.h>

#include "tests/shared/evaluate/stack_builder.h"

namespace egress {
namespace {

using namespace egress::testing;

bool reachable(const LinkedStack& stack, const char* name, UnixMillis now_ms = 0) {
  ConnectTable table;
  EXPECT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  const auto label = stack.names.find(name).value();
  return is_reachable(table, label, now_ms);
}

Layer deny_unless(std::vector<Rule> rules) { return {"g", Vote::kDeny, false, std::nullopt, std::move(rules)}; }

TEST(ReachabilityTest, AnAllowedNameIsReachable) {
  const LinkedStack stack =
      link({deny_unless({allow_hosts({"a.com"}), with_port(allow_hosts({"b.com"}), 443, 443, Transport::kTcp),
                         with_port(allow_hosts({"c.com"}), 65535, 65535, Transport::kUdp)})});
  for (const char* name : {"a.com", "b.com", "c.com"}) EXPECT_TRUE(reachable(stack, name)) << name;
  EXPECT_FALSE(reachable(stack, "d.com"));
}

TEST(ReachabilityTest, ABlockedNameIsNotReachable) {
  const LinkedStack stack = link({deny_unless({allow_hosts({"**.a.com"}), block_hosts({"x.a.com"})})});
  EXPECT_TRUE(reachable(stack, "y.a.com"));
  EXPECT_FALSE(reachable(stack, "x.a.com"));
}

TEST(ReachabilityTest, ABlockOfSomePortsLeavesTheOthers) {
  const LinkedStack stack = link({deny_unless({allow_hosts({"a.com"}), with_port(block_hosts({"a.com"}), 1, 65534)})});
  EXPECT_TRUE(reachable(stack, "a.com"));
  // Every TCP and UDP port blocked; ICMP, which block rules with ports never match, is still allowed.
  Rule tcp_only = allow_hosts({"a.com"});
  tcp_only.protocol = Transport::kTcp;
  EXPECT_FALSE(reachable(link({deny_unless({tcp_only, with_port(block_hosts({"a.com"}), 1, 65535)})}), "a.com"));
}

TEST(ReachabilityTest, PortsThatLayersShareDecide) {
  const auto stack = [](std::uint16_t upper, std::uint16_t lower) {
    return link({deny_unless({with_port(allow_hosts({"a.com"}), 1000, upper)}),
                 deny_unless({with_port(allow_hosts({"a.com"}), lower, 3000)})});
  };
  EXPECT_TRUE(reachable(stack(2000, 2000), "a.com"));
  EXPECT_FALSE(reachable(stack(2000, 2001), "a.com"));
}

TEST(ReachabilityTest, ACidrKeepsEveryNameReachable) {
  EXPECT_TRUE(reachable(link({deny_unless({allow_cidr("10.0.0.0/8")})}), "any.example"));
  EXPECT_TRUE(reachable(link({deny_unless({allow_cidr("2001:db8::1/128")})}), "any.example"));
}

TEST(ReachabilityTest, LoopbackAndSyntheticAddressesDoNotCount) {
  EXPECT_FALSE(reachable(link({deny_unless({allow_cidr("127.0.0.0/8")})}), "any.example"));
  EXPECT_FALSE(reachable(link({deny_unless({allow_cidr("::1/128")})}), "any.example"));
  EXPECT_FALSE(reachable(link({deny_unless({allow_cidr("240.0.0.0/4")})}), "any.example"));
}

TEST(ReachabilityTest, ANameBlockedOnAllButOneAddressIsReachable) {
  Rule blocked = block_cidr("0.0.0.0/0", {"198.51.100.7/32"});
  Rule blocked6 = block_cidr("::/0");
  EXPECT_TRUE(reachable(link({deny_unless({allow_hosts({"a.com"}), blocked, blocked6})}), "a.com"));
  Rule everything4 = block_cidr("0.0.0.0/0");
  EXPECT_FALSE(reachable(link({deny_unless({allow_hosts({"a.com"}), everything4, blocked6})}), "a.com"));
}

TEST(ReachabilityTest, LinkLocalAloneIsNotReachableByName) {
  const LinkedStack stack =
      link({deny_unless({allow_hosts({"a.com"}), block_cidr("0.0.0.0/0", {"169.254.0.0/16"}), block_cidr("::/0")})});
  EXPECT_FALSE(reachable(stack, "a.com"));
}

TEST(ReachabilityTest, ExpiredRulesAllowNothing) {
  Rule rule = allow_hosts({"a.com"});
  rule.expires_at_ms = 1000;
  const LinkedStack stack = link({deny_unless({rule})});
  EXPECT_TRUE(reachable(stack, "a.com", 999));
  EXPECT_FALSE(reachable(stack, "a.com", 1000));
}

TEST(ReachabilityTest, NoPolicyReachesNothing) {
  EXPECT_FALSE(reachable(link_no_policy(NoPolicyCause::kUnavailable, {}), "a.com"));
}

// Former bugs

// The first address of 64:ff9b::/96 embeds 0.0.0.0; that it was blocked hid the rest of the range.
TEST(ReachabilityTest, ABlockOfOneEmbeddedAddressLeavesTheOthers) {
  EXPECT_TRUE(reachable(link({deny_unless({allow_cidr("64:ff9b::/96"), block_cidr("0.0.0.0/32")})}), "a.com"));
  EXPECT_TRUE(reachable(link({deny_unless({allow_cidr("2002::/16"), block_cidr("0.0.0.0/1")})}), "a.com"));
}

// A rule that denies for want of authentication was forgotten at link-local addresses, which a CIDR then opened.
TEST(ReachabilityTest, RequireAuthDeniesAtLinkLocalAddressesToo) {
  Rule authenticated = allow_hosts({"a.com"});
  authenticated.require_auth = true;
  EXPECT_FALSE(reachable(link({deny_unless({authenticated, allow_cidr("169.254.0.0/16")})}), "a.com"));
}

}  // namespace
}  // namespace egress
