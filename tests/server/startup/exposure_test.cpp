#include "server/startup/exposure.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(ExposureTest, OutsideLoopbackBothTlsAndAnAdminAreNeeded) {
  struct Case {
    const char* listen;
    bool has_tls;
    bool has_admin;
    bool allowed;
    const char* says = "";
  };
  const Case cases[] = {
      {.listen = "127.0.0.1:0", .has_tls = false, .has_admin = false, .allowed = true},
      {.listen = "127.8.8.8:0", .has_tls = false, .has_admin = false, .allowed = true},
      {.listen = "[::1]:0", .has_tls = false, .has_admin = false, .allowed = true},
      {.listen = "0.0.0.0:0", .has_tls = false, .has_admin = false, .allowed = false, .says = "TLS"},
      {.listen = "0.0.0.0:0", .has_tls = false, .has_admin = false, .allowed = false, .says = "token create"},
      {.listen = "[::]:0", .has_tls = false, .has_admin = true, .allowed = false, .says = "TLS"},
      {.listen = "192.0.2.1:0", .has_tls = true, .has_admin = false, .allowed = false, .says = "token create"},
      {.listen = "192.0.2.1:0", .has_tls = true, .has_admin = true, .allowed = true},
      {.listen = "[2001:db8::1]:0", .has_tls = true, .has_admin = true, .allowed = true},
  };
  for (const Case& one : cases) {
    const auto result = check_exposure(parse_listen_address(one.listen).value(), one.has_tls, one.has_admin);
    ASSERT_EQ(result.has_value(), one.allowed) << one.listen;
    if (!result) {
      EXPECT_NE(result.error().message.find(one.says), std::string::npos) << result.error().message;
    }
  }
}

}  // namespace
}  // namespace egress::server
