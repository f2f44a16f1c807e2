#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "shared/net/address.h"
#include "tests/server/http/loopback_client.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A poll whose wakes the test controls.
class FakeTopic {
 public:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> wake;
    bool has_news = false;
    int subscribed = 0;
    int destroyed = 0;
    int attempts = 0;
    std::chrono::milliseconds wait{60'000};
  };

  PollStarter starter() const {
    return [shared = shared_](const Request&) -> Result<std::unique_ptr<Poll>> {
      return std::unique_ptr<Poll>(std::make_unique<FakePoll>(shared));
    };
  }
  template <typename Predicate>
  void wait_until(Predicate predicate) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return predicate(*shared_); });
  }
  void publish() {
    std::function<void()> wake;
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->has_news = true;
      wake = shared_->wake;
    }
    wake();
  }
  void wake_without_news() {
    std::function<void()> wake;
    {
      const std::lock_guard lock(shared_->mutex);
      wake = shared_->wake;
    }
    wake();
  }
  void set_wait(std::chrono::milliseconds wait) { shared_->wait = wait; }

 private:
  class FakePoll final : public Poll {
   public:
    explicit FakePoll(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    ~FakePoll() override {
      const std::lock_guard lock(shared_->mutex);
      ++shared_->destroyed;
      shared_->changed.notify_all();
    }
    std::chrono::milliseconds wait() const override { return shared_->wait; }
    void subscribe(std::function<void()> wake) override {
      const std::lock_guard lock(shared_->mutex);
      shared_->wake = std::move(wake);
      ++shared_->subscribed;
      shared_->changed.notify_all();
    }
    std::optional<Result<Response>> attempt(bool last) override {
      const std::lock_guard lock(shared_->mutex);
      ++shared_->attempts;
      shared_->changed.notify_all();
      Response response;
      response.body = shared_->has_news ? "news" : "nothing";
      if (!shared_->has_news && !last) return std::nullopt;
      return response;
    }

   private:
    std::shared_ptr<Shared> shared_;
  };

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// Lets everyone in who does not say "Bearer wrong"; the test takes back what it granted.
class FakeGate final : public Gate {
 public:
  Admission admit(const Route&, const Credentials& credentials) override {
    const std::lock_guard lock(mutex);
    same_origin = credentials.same_origin;
    session = std::string(credentials.session);
    peer = credentials.peer;
    if (credentials.authorization != "Bearer wrong") return {Principal::open()};
    return {refuse(ErrorCode::kUnauthenticated, "unauthenticated", "who are you?"), true};
  }
  Result<void> recheck(const Route&, const Principal&) const override {
    if (!revoked) return {};
    return refuse(ErrorCode::kUnauthenticated, "token_revoked", "no more");
  }
  void record_failures() override { ++recorded; }

  std::mutex mutex;
  bool same_origin = false;
  std::string session;
  Address peer;
  std::atomic<bool> revoked = false;
  std::atomic<int> recorded = 0;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void start(HttpLimits limits = {}) {
    const Handler echo = [](const Request& request) -> Result<Response> {
      Response response;
      response.body = request.body;
      for (const auto& [name, value] : request.query) response.body += name + "=" + value + ";";
      return response;
    };
    const Handler refuse_all = [](const Request&) -> Result<Response> {
      return refuse(ErrorCode::kConflict, "taken", "it is taken");
    };
    const Handler fail_badly = [](const Request&) -> Result<Response> { throw std::runtime_error("secret"); };
    const Handler not_modified = [](const Request&) -> Result<Response> {
      Response response;
      response.status = 304;
      response.headers = {{"ETag", "\"t\""}};
      return response;
    };
    const Handler slow = [this](const Request&) -> Result<Response> {
      std::unique_lock lock(slow_mutex_);
      slow_entered_ = true;
      slow_changed_.notify_all();
      slow_changed_.wait(lock, [&] { return slow_released_; });
      Response response;
      response.body = "slow";
      return response;
    };
    auto listener = Listener::open(*parse_address("127.0.0.1"), 0);
    ASSERT_TRUE(listener) << listener.error().message;
    auto server =
        HttpServer::start(*std::move(listener),
                          Router({{Method::kGet, "/echo", {}, BodyRule::kNone, 0, echo},
                                  {Method::kPost, "/echo", {}, BodyRule::kJson, 1000, echo},
                                  {Method::kPost, "/v1/x", {}, BodyRule::kOtlpJson, 1000, echo, ErrorStyle::kRpcStatus},
                                  {Method::kGet, "/taken", {}, BodyRule::kNone, 0, refuse_all},
                                  {Method::kGet, "/throws", {}, BodyRule::kNone, 0, fail_badly},
                                  {Method::kGet, "/same", {}, BodyRule::kNone, 0, not_modified},
                                  {Method::kGet, "/slow", {}, BodyRule::kNone, 0, slow},
                                  {Method::kGet, "/poll", {}, BodyRule::kNone, 0, topic_.starter()}}),
                          limits, gate_, {allowed_hosts_, nullptr, nullptr});
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  LoopbackClient::Reply ask(const std::string& head, const std::string& body = {}) {
    LoopbackClient client(server_->port());
    client.send(head + "\r\n\r\n" + body);
    return client.receive(head.starts_with("HEAD"));
  }

  FakeTopic topic_;
  FakeGate gate_;
  AllowedHosts allowed_hosts_;
  std::mutex slow_mutex_;
  std::condition_variable slow_changed_;
  bool slow_entered_ = false;
  bool slow_released_ = false;
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kHost = "\r\nHost: localhost";

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  start();
  LoopbackClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /echo?i=" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto reply = client.receive();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "i=" + std::to_string(i) + ";");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  LoopbackClient client(server_->port());
  client.send(
      "GET /echo?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
      "GET /echo?a=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().body, "a=1;");
  EXPECT_EQ(client.receive().body, "body");
  const auto last = client.receive();
  EXPECT_EQ(last.body, "a=2;");
  EXPECT_THAT(last.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, ReadsChunkedBodiesAndBytesThatTrickleIn) {
  start();
  LoopbackClient client(server_->port());
  for (const char c : std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    client.send(std::string_view(&c, 1));
  }
  EXPECT_EQ(client.receive().body, "abcde");
}

TEST_F(HttpServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  start();
  LoopbackClient client(server_->port());
  client.send("HEAD /echo?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /echo?b=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto head = client.receive(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: 4"));
  EXPECT_EQ(client.receive().body, "b=2;");
}

TEST_F(HttpServerTest, A304HasItsTagAndNoBody) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /same HTTP/1.1\r\nHost: localhost\r\n\r\nGET /echo?b=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto same = client.receive();
  EXPECT_EQ(same.status, 304);
  EXPECT_THAT(same.head, HasSubstr("ETag: \"t\""));
  EXPECT_THAT(same.head, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(client.receive().body, "b=2;");
}

TEST_F(HttpServerTest, UnknownPathsAndMethodsAreToldApart) {
  start();
  EXPECT_EQ(ask("GET /nope HTTP/1.1" + std::string(kHost)).status, 404);
  const auto wrong_method = ask("DELETE /echo HTTP/1.1" + std::string(kHost));
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_THAT(wrong_method.head, HasSubstr("Allow: GET, HEAD, POST"));
  EXPECT_EQ(ask("BREW /echo HTTP/1.1" + std::string(kHost)).status, 405);
}

TEST_F(HttpServerTest, RefusesForeignHostsAndOrigins) {
  start();
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: evil.example").status, 403);
  EXPECT_EQ(ask("GET /echo HTTP/1.1").status, 400);
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: localhost").status, 400);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0").status,
            403);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0").status,
            403);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 0").status, 200);
  EXPECT_EQ(ask("GET http://evil.example/echo HTTP/1.1\r\nHost: localhost").status, 400);
}

TEST_F(HttpServerTest, AStrangerIsRefusedBeforeTheBodyIsSent) {
  start();
  // Declared and never sent: the answer cannot have waited for it.
  const auto refused =
      ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: 1000");
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.head, HasSubstr("WWW-Authenticate: Bearer"));
  EXPECT_THAT(refused.head, HasSubstr("Connection: close"));
  EXPECT_THAT(refused.body, HasSubstr("\"error\":\"unauthenticated\""));
  EXPECT_EQ(gate_.recorded, 1) << "before the answer";
  const auto otlp =
      ask("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: 1000");
  EXPECT_THAT(otlp.body, HasSubstr("\"code\":16"));
}

TEST_F(HttpServerTest, HandsTheGateWhatTheRequestBrought) {
  start();
  ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; egress_session=s1\r\nSec-Fetch-Site: "
      "same-origin\r\nContent-Length: 0");
  EXPECT_EQ(gate_.session, "s1");
  EXPECT_TRUE(gate_.same_origin);
  EXPECT_EQ(format_address(gate_.peer), "127.0.0.1");
  ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0");
  EXPECT_EQ(gate_.session, "");
  EXPECT_FALSE(gate_.same_origin);
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: a\r\nAuthorization: b").status, 400);
}

TEST_F(HttpServerTest, AnswersToTheHostsItWasGiven) {
  allowed_hosts_ = AllowedHosts::make(*parse_address("127.0.0.1"), {"egress.example"}).value();
  start();
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: egress.example:1").status, 200);
  const auto foreign = ask("GET /echo HTTP/1.1\r\nHost: evil.example");
  EXPECT_EQ(foreign.status, 403);
  EXPECT_THAT(foreign.body, HasSubstr("[::1], egress.example, not to evil.example"));
}

TEST_F(HttpServerTest, AHeldPollEndsWhenWhatItWasGrantedByEnds) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
  topic_.wait_until([](const auto& shared) { return shared.attempts == 1; });
  gate_.revoked = true;
  topic_.wake_without_news();
  const auto ended = client.receive();
  EXPECT_EQ(ended.status, 401);
  EXPECT_THAT(ended.body, HasSubstr("token_revoked"));
}

TEST_F(HttpServerTest, AnswersWhatIsNoHttpWith400) {
  start();
  EXPECT_EQ(ask("nonsense").status, 400);
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost localhost").status, 400);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x").status, 400);
}

TEST_F(HttpServerTest, BoundsTheHeader) {
  start();
  const auto reply = ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(100'000, 'x'));
  EXPECT_EQ(reply.status, 431);
}

TEST_F(HttpServerTest, BoundsTheBodyHoweverItIsSent) {
  start();
  const std::string large(2000, 'x');
  const auto declared = ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000", large);
  EXPECT_EQ(declared.status, 413);
  EXPECT_THAT(declared.head, HasSubstr("Connection: close"));
  EXPECT_EQ(
      ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked", "7d0\r\n" + large + "\r\n0\r\n\r\n")
          .status,
      413);
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1", "x").status, 413);
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000", std::string(1000, 'x')).status, 200);
}

TEST_F(HttpServerTest, HonoursExpectContinue) {
  start();
  LoopbackClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("abc");
  EXPECT_EQ(client.receive().body, "abc");
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000").status, 413);
}

TEST_F(HttpServerTest, OtlpWantsJsonAndSpeaksRpcStatus) {
  start();
  const auto wrong =
      ask("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1", "x");
  EXPECT_EQ(wrong.status, 415);
  EXPECT_THAT(wrong.body, HasSubstr("\"code\":3"));
  EXPECT_EQ(ask("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/JSON; "
                "charset=utf-8\r\nContent-Length: 1",
                "x")
                .status,
            200);
  const auto packed =
      ask("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: "
          "gzip\r\nContent-Length: 1",
          "x");
  EXPECT_EQ(packed.status, 415);
}

TEST_F(HttpServerTest, RefusalsAndExceptionsBecomeJson) {
  start();
  const auto taken = ask("GET /taken HTTP/1.1" + std::string(kHost));
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.body, "{\"error\":\"taken\",\"message\":\"it is taken\"}\n");
  const auto failed = ask("GET /throws HTTP/1.1" + std::string(kHost));
  EXPECT_EQ(failed.status, 500);
  EXPECT_THAT(failed.body, Not(HasSubstr("secret")));
}

TEST_F(HttpServerTest, ClosesConnectionsThatStayIdleOrSendSlowly) {
  HttpLimits limits;
  limits.idle = std::chrono::milliseconds(50);
  limits.header = std::chrono::milliseconds(50);
  limits.body = std::chrono::milliseconds(50);
  start(limits);
  LoopbackClient idle(server_->port());
  EXPECT_TRUE(idle.at_end());
  LoopbackClient slow_header(server_->port());
  slow_header.send("GET /echo HT");
  EXPECT_EQ(slow_header.receive().status, 0);
  LoopbackClient slow_body(server_->port());
  slow_body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx");
  EXPECT_NE(slow_body.receive().status, 200);
}

TEST_F(HttpServerTest, RefusesConnectionsBeyondTheLimit) {
  HttpLimits limits;
  limits.max_connections = 1;
  start(limits);
  LoopbackClient first(server_->port());
  first.send("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(first.receive().status, 200);
  LoopbackClient second(server_->port());
  EXPECT_TRUE(second.at_end());
}

TEST_F(HttpServerTest, AHeldPollIsAnsweredByNewsAndNotByEmptyWakes) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
  topic_.wait_until([](const auto& shared) { return shared.attempts == 1; });
  topic_.wake_without_news();
  topic_.wait_until([](const auto& shared) { return shared.attempts == 2; });
  topic_.publish();
  EXPECT_EQ(client.receive().body, "news");
  topic_.wait_until([](const auto& shared) { return shared.destroyed == 1; });
}

TEST_F(HttpServerTest, AHeldPollEndsAtItsDeadline) {
  topic_.set_wait(std::chrono::milliseconds(20));
  start();
  EXPECT_EQ(ask("GET /poll HTTP/1.1" + std::string(kHost)).body, "nothing");
}

TEST_F(HttpServerTest, ManyHeldPollsNeedNoThreads) {
  start();
  std::vector<std::unique_ptr<LoopbackClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<LoopbackClient>(server_->port()));
    clients.back()->send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  topic_.wait_until([](const auto& shared) { return shared.attempts == 50; });
  EXPECT_EQ(ask("GET /echo?a=1 HTTP/1.1" + std::string(kHost)).body, "a=1;");
}

TEST_F(HttpServerTest, AClientThatGoesAwayReleasesItsPoll) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
  topic_.wait_until([](const auto& shared) { return shared.attempts == 1; });
  client.close();
  topic_.wait_until([](const auto& shared) { return shared.destroyed == 1; });
  topic_.wake_without_news();  // to a session that is gone
}

TEST_F(HttpServerTest, APipelinedRequestBehindAPollIsAnsweredAfterIt) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\nGET /echo?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  topic_.wait_until([](const auto& shared) { return shared.attempts == 1; });
  topic_.publish();
  EXPECT_EQ(client.receive().body, "news");
  EXPECT_EQ(client.receive().body, "a=1;");
}

TEST_F(HttpServerTest, StoppingAnswersHeldPollsAndClosesIdleConnections) {
  start();
  LoopbackClient idle(server_->port());
  idle.send("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_EQ(idle.receive().status, 200);
  LoopbackClient polling(server_->port());
  polling.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
  topic_.wait_until([](const auto& shared) { return shared.attempts == 1; });
  server_->stop();
  const auto answer = polling.receive();
  EXPECT_EQ(answer.body, "nothing");
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(idle.at_end());
}

TEST_F(HttpServerTest, StoppingLetsARequestInFlightFinish) {
  start();
  LoopbackClient client(server_->port());
  client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  {
    std::unique_lock lock(slow_mutex_);
    slow_changed_.wait(lock, [&] { return slow_entered_; });
  }
  std::thread stopper([&] { server_->stop(); });
  {
    const std::lock_guard lock(slow_mutex_);
    slow_released_ = true;
    slow_changed_.notify_all();
  }
  EXPECT_EQ(client.receive().body, "slow");
  stopper.join();
}

TEST_F(HttpServerTest, StoppingIsBoundedWhenAClientDoesNotFinish) {
  HttpLimits limits;
  limits.stop = std::chrono::milliseconds(20);
  start(limits);
  LoopbackClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(ask("GET /echo HTTP/1.1" + std::string(kHost)).status, 200);
  server_->stop();
  EXPECT_EQ(client.receive().status, 0);
}

}  // namespace
}  // namespace egress::server
