#include "server/http/access.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(IsLoopbackHostTest, AcceptsLoopbackInEverySpelling) {
  for (const char* host : {"localhost", "localhost:8443", "LocalHost:1", "127.0.0.1", "127.0.0.1:8443", "127.9.9.9:80",
                           "[::1]", "[::1]:8443"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
}

TEST(IsLoopbackHostTest, RefusesEverythingElse) {
  for (const char* host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", "0.0.0.0", "[::]",
        "[::1", "::1", "[::1]x", "[::1]:x", "localhost:x", "localhost:123456", "2130706433", "127.1", "[127.0.0.1]"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(AllowedHostsTest, HoldsLoopbackTheListenAddressAndTheNamesGiven) {
  const auto allowed =
      AllowedHosts::make(*parse_address("192.0.2.1"), {"Egress.Example", "2001:db8::5", "[2001:db8::6]"});
  ASSERT_TRUE(allowed) << allowed.error().message;
  for (const char* host : {"localhost:1", "192.0.2.1", "192.0.2.1:8443", "egress.example", "EGRESS.example:443",
                           "[2001:db8::5]", "[2001:db8::6]:1"}) {
    EXPECT_TRUE(allowed->holds(host)) << host;
  }
  for (const char* host : {"192.0.2.2", "example", "x.egress.example", "egress.example.", "egress.example:x",
                           "2001:db8::5", "[192.0.2.1]", ""}) {
    EXPECT_FALSE(allowed->holds(host)) << host;
  }
}

TEST(AllowedHostsTest, AWildcardListenAddressIsNoHost) {
  EXPECT_FALSE(AllowedHosts::make(*parse_address("0.0.0.0"), {})->holds("0.0.0.0"));
  EXPECT_FALSE(AllowedHosts::make(*parse_address("::"), {})->holds("[::]"));
}

TEST(AllowedHostsTest, RefusesWhatIsNoName) {
  for (const char* name : {"", "a b", "egress.example:443", "*.example"}) {
    EXPECT_FALSE(AllowedHosts::make(*parse_address("127.0.0.1"), {name})) << name;
  }
}

TEST(FindCookieTest, FindsTheOneAsked) {
  EXPECT_EQ(find_cookie("a=1; s=2;b=3", "s"), "2");
  EXPECT_EQ(find_cookie("s=", "s"), "");
  EXPECT_EQ(find_cookie("as=1", "s"), "");
  EXPECT_EQ(find_cookie("s", "s"), "");
  EXPECT_EQ(find_cookie("", "s"), "");
  EXPECT_EQ(find_cookie("s=1; s=1", "s"), "1");
  EXPECT_EQ(find_cookie("s=1; s=2", "s"), "") << "a page of a sibling name may have planted one";
}

TEST(IsSameOriginTest, NeedsEvidence) {
  EXPECT_FALSE(is_same_origin("", "", "localhost:1", false));
  EXPECT_TRUE(is_same_origin("", "same-origin", "localhost:1", false));
  EXPECT_TRUE(is_same_origin("", "none", "localhost:1", false));
  EXPECT_TRUE(is_same_origin("http://localhost:1", "", "localhost:1", false));
  EXPECT_FALSE(is_same_origin("http://localhost:2", "same-origin", "localhost:1", false));
  EXPECT_FALSE(is_same_origin("", "same-site", "localhost:1", false));
  EXPECT_FALSE(is_same_origin("", "cross-site", "localhost:1", false));
}

TEST(IsCrossSiteTest, TheSchemeIsPartOfTheOrigin) {
  EXPECT_TRUE(is_cross_site("http://localhost:1", "", "localhost:1", true));
  EXPECT_FALSE(is_cross_site("https://localhost:1", "", "localhost:1", true));
  EXPECT_TRUE(is_cross_site("https://localhost:1", "", "localhost:1", false));
}

TEST(IsCrossSiteTest, ComparesTheOriginWithTheHost) {
  EXPECT_FALSE(is_cross_site("", "", "localhost:8443", false));
  EXPECT_FALSE(is_cross_site("http://localhost:8443", "same-origin", "localhost:8443", false));
  EXPECT_FALSE(is_cross_site("", "none", "localhost:8443", false));
  EXPECT_TRUE(is_cross_site("http://localhost:9999", "", "localhost:8443", false));
  EXPECT_TRUE(is_cross_site("https://evil.example", "", "localhost:8443", false));
  EXPECT_TRUE(is_cross_site("null", "", "localhost:8443", false));
  EXPECT_TRUE(is_cross_site("", "cross-site", "localhost:8443", false));
  EXPECT_TRUE(is_cross_site("", "same-site", "localhost:8443", false));
}

}  // namespace
}  // namespace egress::server
