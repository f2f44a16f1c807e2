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

TEST(IsCrossSiteTest, ComparesTheOriginWithTheHost) {
  EXPECT_FALSE(is_cross_site("", "", "localhost:8443"));
  EXPECT_FALSE(is_cross_site("http://localhost:8443", "same-origin", "localhost:8443"));
  EXPECT_FALSE(is_cross_site("", "none", "localhost:8443"));
  EXPECT_TRUE(is_cross_site("http://localhost:9999", "", "localhost:8443"));
  EXPECT_TRUE(is_cross_site("https://evil.example", "", "localhost:8443"));
  EXPECT_TRUE(is_cross_site("null", "", "localhost:8443"));
  EXPECT_TRUE(is_cross_site("", "cross-site", "localhost:8443"));
  EXPECT_TRUE(is_cross_site("", "same-site", "localhost:8443"));
}

}  // namespace
}  // namespace egress::server
