#include "server/service/ui_sessions.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

Principal user(const std::string& name) { return {Principal::Kind::kUser, name, Role::kViewer, "/", "id", {}}; }

TEST(UiSessionsTest, ASessionIsItsPrincipalsUntilItEnds) {
  FakeClock clock(1'000);
  UiSessions sessions(clock);
  const std::string id = sessions.begin(user("a"));
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(sessions.find(id)->name, "a");
  EXPECT_FALSE(sessions.find(id.substr(1)));
  EXPECT_FALSE(sessions.find(""));
  sessions.end(id);
  EXPECT_FALSE(sessions.find(id));
  sessions.end(id);
}

TEST(UiSessionsTest, EndsAfterItsLifetime) {
  FakeClock clock(1'000);
  UiSessions sessions(clock);
  const std::string id = sessions.begin(user("a"));
  clock.advance_ms(kUiSessionLifetimeMs - 1);
  EXPECT_TRUE(sessions.find(id));
  clock.advance_ms(1);
  EXPECT_FALSE(sessions.find(id));
}

TEST(UiSessionsTest, TheOldestMakesRoom) {
  FakeClock clock(1'000);
  UiSessions sessions(clock, 2);
  const std::string a = sessions.begin(user("a"));
  const std::string b = sessions.begin(user("b"));
  const std::string c = sessions.begin(user("c"));
  EXPECT_FALSE(sessions.find(a));
  EXPECT_TRUE(sessions.find(b));
  EXPECT_TRUE(sessions.find(c));
}

}  // namespace
}  // namespace egress::server
