#include "server/startup/listen_address.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(ListenAddressTest, ReadsBothFamiliesAndLocalhost) {
  for (const char* text : {"127.0.0.1:8443", "[::1]:0", "0.0.0.0:65535"}) {
    const auto listen = parse_listen_address(text);
    ASSERT_TRUE(listen) << text;
    EXPECT_EQ(format_listen_address(*listen), text);
  }
  EXPECT_EQ(format_listen_address(*parse_listen_address("localhost:1")), "127.0.0.1:1");
}

TEST(ListenAddressTest, RefusesTheRest) {
  for (const char* text : {"", "8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
                           "::1:80", "[127.0.0.1]:80", "[::1]", "example.com:80", ":80"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

}  // namespace
}  // namespace egress::server
