#include "server/distribution/waiters.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(WaitersTest, WakesOnlyThoseWhoHoldAnotherTag) {
  Waiters waiters;
  int old_wakes = 0;
  int new_wakes = 0;
  int undecided_wakes = 0;
  int other_topic_wakes = 0;
  auto old_one = waiters.subscribe("prod", [&] { ++old_wakes; });
  auto new_one = waiters.subscribe("prod", [&] { ++new_wakes; });
  auto undecided = waiters.subscribe("prod", [&] { ++undecided_wakes; });
  auto other = waiters.subscribe("dev", [&] { ++other_topic_wakes; });
  old_one.hold("a");
  new_one.hold("b");
  waiters.publish("prod", "b");
  EXPECT_EQ(old_wakes, 1);
  EXPECT_EQ(new_wakes, 0);
  EXPECT_EQ(undecided_wakes, 1);
  EXPECT_EQ(other_topic_wakes, 0);
  waiters.wake_all("prod");
  EXPECT_EQ(new_wakes, 1);
  waiters.publish("nobody", "x");
}

TEST(WaitersTest, ASubscriptionEndsWithItsObject) {
  Waiters waiters;
  int wakes = 0;
  {
    auto subscription = waiters.subscribe("prod", [&] { ++wakes; });
    auto moved = std::move(subscription);
    EXPECT_EQ(waiters.size(), 1U);
    EXPECT_EQ(waiters.topics(), std::vector<std::string>{"prod"});
  }
  waiters.wake_all("prod");
  EXPECT_EQ(wakes, 0);
  EXPECT_EQ(waiters.size(), 0U);
  EXPECT_TRUE(waiters.topics().empty());
}

TEST(WaitersTest, AssigningEndsTheFormerSubscription) {
  Waiters waiters;
  auto first = waiters.subscribe("a", [] {});
  first = waiters.subscribe("b", [] {});
  EXPECT_EQ(waiters.topics(), std::vector<std::string>{"b"});
}

TEST(WaitersTest, ASubscriptionMayOutliveTheWaiters) {
  Waiters::Subscription subscription;
  {
    Waiters waiters;
    subscription = waiters.subscribe("prod", [] {});
  }
  subscription.hold("tag");
}

}  // namespace
}  // namespace egress::server
