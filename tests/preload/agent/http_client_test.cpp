#include "preload/agent/http_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "tests/preload/agent/fake_server.h"

namespace egress {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

class HttpClientTest : public ::testing::Test {
 protected:
  Expected<HttpResponse> send(HttpClient& client, HttpRequest request) {
    std::optional<Expected<HttpResponse>> result;
    const auto keep = [&](std::exception_ptr failure, Expected<HttpResponse> response) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(response);
    };
    asio::co_spawn(loop, client.send(std::move(request)), keep);
    loop.restart();
    loop.run();
    return std::move(*result);
  }
  HttpClient client_of(const FakeServer& server) {
    return HttpClient(loop.get_executor(), parse_server_url(server.url()).value(), {});
  }
  static HttpRequest get(const std::string& target) {
    HttpRequest request;
    request.target = target;
    return request;
  }
  asio::io_context loop{1};
};

TEST_F(HttpClientTest, ReusesItsConnectionAndSendsWhatItIsGiven) {
  FakeServer server([](const FakeServer::Request& request) {
    return FakeServer::Response{.status = 200,
                                .headers = {{"ETag", "\"v1\""}},
                                .body = request.method + " " + request.target + " " + request.headers.at("host") + " " +
                                        (request.headers.contains("x-test") ? request.headers.at("x-test") : "") + " " +
                                        request.body};
  });
  auto client = client_of(server);
  HttpRequest post = get("/v1/logs");
  post.method = "POST";
  post.headers = {{"X-Test", "yes"}};
  post.body = "payload";
  const auto first = send(client, post);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ(first->body, "POST /v1/logs 127.0.0.1:" + std::to_string(server.port()) + " yes payload");
  EXPECT_EQ(first->etag, "\"v1\"");
  ASSERT_TRUE(send(client, get("/again")).has_value());
  EXPECT_EQ(server.connections(), 1u);
  ASSERT_EQ(client.endpoints().size(), 1u);
  EXPECT_EQ(client.endpoints()[0].port, server.port());
}

TEST_F(HttpClientTest, ReplacesAKeptConnectionThatTheServerClosed) {
  FakeServer server([](const FakeServer::Request&) { return FakeServer::Response{.body = "x", .close = true}; });
  auto client = client_of(server);
  ASSERT_TRUE(send(client, get("/1")).has_value());
  const auto second = send(client, get("/2"));
  ASSERT_TRUE(second.has_value()) << second.error().message;
  EXPECT_EQ(server.connections(), 2u);
}

TEST_F(HttpClientTest, RefusesOversizedBodiesAndHeaders) {
  FakeServer server([](const FakeServer::Request& request) {
    FakeServer::Response response;
    if (request.target == "/header") {
      response.headers["X-Long"] = std::string(64 * 1024, 'x');
    } else {
      response.body = std::string(5000, 'x');
    }
    return response;
  });
  auto client = client_of(server);
  HttpRequest request = get("/body");
  request.max_response_bytes = 4999;
  EXPECT_EQ(send(client, request).error().code, ErrorCode::kTooLarge);
  request.max_response_bytes = 5000;
  EXPECT_TRUE(send(client, request).has_value());
  EXPECT_EQ(send(client, get("/header")).error().code, ErrorCode::kTooLarge);
}

TEST_F(HttpClientTest, GivesUpOnASilentServer) {
  FakeServer* self = nullptr;
  FakeServer server([&](const FakeServer::Request&) {
    self->wait_until_stopped();
    return FakeServer::Response{};
  });
  self = &server;
  auto client = client_of(server);
  HttpRequest request = get("/slow");
  request.deadline = 50ms;
  const auto response = send(client, request);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(response.error().message.find("no answer in time"), std::string::npos) << response.error().message;
}

TEST_F(HttpClientTest, RefusesWhatIsNotHttpOrCutShort) {
  for (const std::string& raw :
       {std::string("garbage\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        std::string("HTTP/1.1 200 OK\r\nContent-Le")}) {
    FakeServer server([raw](const FakeServer::Request&) {
      FakeServer::Response response;
      response.raw = raw;
      return response;
    });
    auto client = client_of(server);
    EXPECT_EQ(send(client, get("/")).error().code, ErrorCode::kUnavailable) << raw;
  }
}

TEST_F(HttpClientTest, SaysWhoIsNotThere) {
  std::string url;
  {
    const FakeServer gone([](const FakeServer::Request&) { return FakeServer::Response{}; });
    url = gone.url();
  }
  HttpClient client(loop.get_executor(), parse_server_url(url).value(), {});
  const auto response = send(client, get("/"));
  ASSERT_FALSE(response.has_value());
  EXPECT_NE(response.error().message.find(url), std::string::npos);
}

TEST_F(HttpClientTest, AClosedClientRefuses) {
  FakeServer server([](const FakeServer::Request&) { return FakeServer::Response{}; });
  auto client = client_of(server);
  client.close();
  EXPECT_FALSE(send(client, get("/")).has_value());
}

TEST(EncodeQueryTest, EncodesAllButUnreserved) {
  EXPECT_EQ(encode_query("prod/payments-1_a.b~"), "prod%2Fpayments-1_a.b~");
  EXPECT_EQ(encode_query("a b&c=d\xc3\xa9"), "a%20b%26c%3Dd%C3%A9");
}

}  // namespace
}  // namespace egress
