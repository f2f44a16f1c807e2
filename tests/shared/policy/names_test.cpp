#include "shared/policy/names.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(NamesTest, EveryNameIsFoundAgain) {
  for (const Mode mode : {Mode::kDiscovery, Mode::kShadow, Mode::kEnforcement})
    EXPECT_EQ(find_mode(name_of(mode)), mode);
  for (const Vote vote : {Vote::kAbstain, Vote::kAllow, Vote::kDeny}) EXPECT_EQ(find_vote(name_of(vote)), vote);
  for (const Action action : {Action::kAllow, Action::kDeny}) EXPECT_EQ(find_action(name_of(action)), action);
  for (const Transport t : {Transport::kTcp, Transport::kUdp, Transport::kIcmp, Transport::kOther}) {
    EXPECT_EQ(find_transport(name_of(t)), t);
  }
  EXPECT_EQ(find_loopback_mode("enforce"), LoopbackMode::kEnforce);
  EXPECT_EQ(find_lookup_mode("listed"), LookupMode::kListed);
}

TEST(NamesTest, ForeignNamesAndValuesAreNotGuessed) {
  EXPECT_EQ(find_mode("Enforcement"), std::nullopt);
  EXPECT_EQ(find_transport(""), std::nullopt);
  EXPECT_EQ(name_of(static_cast<Verdict>(77)), "unknown");
}

TEST(NamesTest, DenyReasonsAreSpelledAsTheRecordsHaveThem) {
  EXPECT_EQ(name_of(DenyReason::kPolicy), "policy");
  EXPECT_EQ(name_of(DenyReason::kAuthRequired), "auth_required");
  EXPECT_EQ(name_of(DenyReason::kControlPlane), "control_plane");
  EXPECT_EQ(name_of(DenyReason::kRawSocket), "raw_socket");
  EXPECT_EQ(name_of(DenyReason::kDnsName), "dns_name");
  EXPECT_EQ(name_of(DenyReason::kNoPolicy), "no_policy");
}

}  // namespace
}  // namespace egress
