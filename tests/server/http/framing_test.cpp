// Where a request ends: what the parser lets pass and the session must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "server/http/http_server.h"
#include "shared/net/address.h"
#include "tests/server/http/loopback_client.h"
#include "tests/server/http/open_gate.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

class FramingTest : public ::testing::Test {
 protected:
  void SetUp() override { start(HttpLimits()); }

  void start(const HttpLimits& limits) {
    const Handler count = [this](const Request& request) -> Result<Response> {
      ++handled_;
      Response response;
      response.body = request.body;
      return response;
    };
    auto listener = Listener::open(*parse_address("127.0.0.1"), 0);
    ASSERT_TRUE(listener) << listener.error().message;
    auto server = HttpServer::start(
        *std::move(listener), Router({{Method::kPost, "/echo", {}, BodyRule::kJson, 1000, count}}), limits, gate_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  static std::string post(const std::string& fields, const std::string& body, const std::string& version = "HTTP/1.1") {
    return "POST /echo " + version + "\r\nHost: localhost\r\n" + fields + "\r\n\r\n" + body;
  }

  std::atomic<int> handled_ = 0;
  OpenGate gate_;
  std::unique_ptr<HttpServer> server_;
};

// Former bugs

TEST_F(FramingTest, NothingBehindAnUnknownTransferCodingIsARequest) {
  const std::string smuggled = post("Content-Length: 1", "x");
  for (const char* coding : {"xchunked", "chunked, identity", "identity", "gzip, chunked", "\"chunked\"", ""}) {
    LoopbackClient client(server_->port());
    client.send(post("Transfer-Encoding: " + std::string(coding), smuggled));
    const auto refused = client.receive();
    EXPECT_EQ(refused.status, 400) << coding;
    EXPECT_THAT(refused.head, HasSubstr("Connection: close")) << coding;
    EXPECT_TRUE(client.at_end()) << coding;
  }
  EXPECT_EQ(handled_, 0);
}

TEST_F(FramingTest, ALengthIsGivenOnce) {
  for (const char* fields : {"Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1, 1"}) {
    LoopbackClient client(server_->port());
    client.send(post(fields, "x"));
    EXPECT_EQ(client.receive().status, 400) << fields;
    EXPECT_TRUE(client.at_end()) << fields;
  }
}

TEST_F(FramingTest, Http10HasNoChunks) {
  LoopbackClient client(server_->port());
  client.send(post("Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n", "HTTP/1.0"));
  EXPECT_EQ(client.receive().status, 400);
  EXPECT_TRUE(client.at_end());
}

TEST_F(FramingTest, OnlyHttp11IsToldToGoOn) {
  LoopbackClient old(server_->port());
  old.send(post("Expect: 100-continue\r\nContent-Length: 1", "", "HTTP/1.0"));
  old.send("x");
  EXPECT_EQ(old.receive().status, 200);
  LoopbackClient client(server_->port());
  client.send(post("Expect: 100-continue\r\nContent-Length: 1", ""));
  EXPECT_EQ(client.receive().status, 100);
  client.send("x");
  EXPECT_EQ(client.receive().body, "x");
}

// The parser answers only for whole lines: the deadline of a header held from its first line on.
TEST_F(FramingTest, AHeaderHasItsDeadlineFromTheFirstByteOn) {
  HttpLimits limits;
  limits.idle = std::chrono::hours(1);
  limits.header = std::chrono::milliseconds(20);
  start(limits);
  for (const char* begun : {"P", "POST /ec", "POST /echo HTTP/1.1\r\nHost: loc"}) {
    LoopbackClient client(server_->port());
    client.send(begun);
    EXPECT_TRUE(client.at_end()) << begun;
  }
}

}  // namespace
}  // namespace egress::server
