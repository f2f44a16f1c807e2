#include "server/http/listener.h"

#include <gmock/gmock.h>

#include "server/http/http_server.h"
#include "tests/server/http/loopback_client.h"
#include "tests/server/http/open_gate.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

const Address kLoopback = *parse_address("127.0.0.1");

TEST(ListenerTest, TheFreePortItTookIsKnownAndTaken) {
  const auto listener = Listener::open(kLoopback, 0);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE(listener->port(), 0);
  EXPECT_EQ(listener->address(), kLoopback);
  const auto second = Listener::open(kLoopback, listener->port());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr("127.0.0.1 port " + std::to_string(listener->port())));
}

TEST(ListenerTest, AnAddressOfAnotherHostIsAClearError) {
  const auto listener = Listener::open(*parse_address("192.0.2.1"), 0);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(listener.error().message, HasSubstr("cannot listen on 192.0.2.1 port 0"));
}

TEST(ListenerTest, WhoConnectsBeforeTheServerStartsIsAnswered) {
  OpenGate gate;
  auto listener = Listener::open(kLoopback, 0);
  ASSERT_TRUE(listener) << listener.error().message;
  const std::uint16_t port = listener->port();
  LoopbackClient early(port);
  early.send("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Handler echo = [](const Request&) -> Result<Response> {
    Response response;
    response.body = "here";
    return response;
  };
  const auto server = HttpServer::start(
      *std::move(listener), Router({{Method::kGet, "/echo", {}, BodyRule::kNone, 0, echo}}), HttpLimits(), gate);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ((*server)->port(), port);
  EXPECT_EQ(early.receive().body, "here");
}

TEST(ListenerTest, IPv6IsServedToo) {
  OpenGate gate;
  auto listener = Listener::open(*parse_address("::1"), 0);
  if (!listener) GTEST_SKIP() << listener.error().message;
  const auto server = HttpServer::start(*std::move(listener), Router({}), HttpLimits(), gate);
  EXPECT_TRUE(server) << server.error().message;
}

TEST(ListenerTest, WithoutItsSocketNoServerStarts) {
  OpenGate gate;
  auto listener = Listener::open(kLoopback, 0);
  ASSERT_TRUE(listener) << listener.error().message;
  { const UniqueFd gone = std::move(*listener).take_socket(); }
  const auto server = HttpServer::start(*std::move(listener), Router({}), HttpLimits(), gate);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, HasSubstr("cannot accept"));
}

}  // namespace
}  // namespace egress::server
