#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "server/http/http_server.h"
#include "server/http/tls_context.h"
#include "tests/server/http/loopback_client.h"
#include "tests/server/http/open_gate.h"
#include "tests/server/temporary_directory.h"
#include "tests/tls_authority.h"

namespace egress::server {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr const char* kPoll = "GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n";

// A poll that is held until the test says so, and what became of those that asked.
struct Held {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> wake;
  bool has_news = false;
  int attempts = 0;
  int ended = 0;

  template <typename Predicate>
  void wait_until(Predicate predicate) {
    std::unique_lock lock(mutex);
    changed.wait(lock, predicate);
  }
  void publish() {
    std::unique_lock lock(mutex);
    has_news = true;
    const auto call = wake;
    lock.unlock();
    call();
  }
};

class HeldPoll final : public Poll {
 public:
  explicit HeldPoll(Held& held) : held_(held) {}
  ~HeldPoll() override {
    const std::lock_guard lock(held_.mutex);
    ++held_.ended;
    held_.changed.notify_all();
  }
  std::chrono::milliseconds wait() const override { return std::chrono::minutes(1); }
  void subscribe(std::function<void()> wake) override {
    const std::lock_guard lock(held_.mutex);
    held_.wake = std::move(wake);
  }
  std::optional<Result<Response>> attempt(bool last) override {
    const std::lock_guard lock(held_.mutex);
    ++held_.attempts;
    held_.changed.notify_all();
    if (!held_.has_news && !last) return std::nullopt;
    Response response;
    response.body = held_.has_news ? "news" : "nothing";
    return response;
  }

 private:
  Held& held_;
};

class CountingObserver final : public HttpObserver {
 public:
  void connection_opened() noexcept override { note(opened); }
  void connection_closed() noexcept override { note(closed); }
  void connection_refused() noexcept override { note(refused); }
  void handshake_failed() noexcept override { note(failed); }
  void answered(const AnsweredRequest& request) noexcept override {
    const std::lock_guard lock(mutex_);
    lines.push_back(std::string(request.method) + " " + std::string(request.path) + " " + std::string(request.pattern) +
                    " " + std::to_string(request.status) + " " + std::string(request.principal) + " " +
                    std::string(request.request_id));
  }
  template <typename Predicate>
  void wait_until(Predicate predicate) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, predicate);
  }
  // To be read in wait_until(), or once the server has stopped.
  int opened = 0, closed = 0, refused = 0, failed = 0;
  std::vector<std::string> lines;

 private:
  void note(int& count) {
    const std::lock_guard lock(mutex_);
    ++count;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() {
    install(authority_.issue());
    context_ = TlsContext::load(files_).value();
  }

  void install(const TlsAuthority::Issued& issued) {
    std::ofstream(files_.certificate) << issued.certificate;
    std::ofstream(files_.key) << issued.key;
    ::chmod(files_.key.c_str(), 0600);
  }

  void start(HttpLimits limits = {}) {
    const Handler hello = [](const Request&) -> Result<Response> {
      Response response;
      response.body = "hello";
      return response;
    };
    const Handler large = [](const Request&) -> Result<Response> {
      Response response;
      response.body = std::string(std::size_t{8} << 20, 'x');
      return response;
    };
    const Handler echo = [](const Request& request) -> Result<Response> {
      Response response;
      response.body = request.body;
      return response;
    };
    const PollStarter poll = [this](const Request&) -> Result<std::unique_ptr<Poll>> {
      return std::unique_ptr<Poll>(std::make_unique<HeldPoll>(held_));
    };
    auto listener = Listener::open(*parse_address("127.0.0.1"), 0);
    ASSERT_TRUE(listener) << listener.error().message;
    auto server = HttpServer::start(*std::move(listener),
                                    Router({{Method::kGet, "/hello", {}, BodyRule::kNone, 0, hello},
                                            {Method::kGet, "/large", {}, BodyRule::kNone, 0, large},
                                            {Method::kPost, "/echo", {}, BodyRule::kJson, 1u << 20, echo},
                                            {Method::kGet, "/poll", {}, BodyRule::kNone, 0, poll}}),
                                    limits, gate_, {{}, tls_ ? context_ : nullptr, &observer_});
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  TemporaryDirectory directory_;
  TlsFiles files_{directory_.path() + "/cert.pem", directory_.path() + "/key.pem"};
  TlsAuthority authority_{"the test's authority"};
  std::shared_ptr<TlsContext> context_;
  bool tls_ = true;
  CountingObserver observer_;
  OpenGate gate_;
  Held held_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTlsTest, AnswersOnOneConnectionAgainAndAgain) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    LoopbackClient client(server_->port());
    ASSERT_TRUE(client.start_tls(version));
    EXPECT_EQ(client.tls_version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    for (int i = 0; i < 3; ++i) {
      client.send(kHello);
      EXPECT_EQ(client.receive().body, "hello");
    }
  }
}

TEST_F(HttpTlsTest, CarriesLargeBodiesBothWays) {
  start();
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls());
  const std::string body(1u << 20, 'b');
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  EXPECT_EQ(client.receive().body, body);
  client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.receive().body.size(), std::size_t{8} << 20);
}

TEST_F(HttpTlsTest, SpeaksNothingOlderThanTls12) {
  start();
  LoopbackClient client(server_->port());
  EXPECT_FALSE(client.start_tls(TLS1_1_VERSION));
  EXPECT_TRUE(client.at_end());
  server_->stop();
  EXPECT_EQ(observer_.failed, 1);
}

TEST_F(HttpTlsTest, TellsPlainHttpWhereItIs) {
  start();
  LoopbackClient client(server_->port());
  client.send("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto reply = client.receive();
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("https_required"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpTlsTest, ClosesOnGarbageAndOnEarlyEnds) {
  start();
  LoopbackClient garbage(server_->port());
  garbage.send(std::string("\x16\x03\x01\x00\x05hello\0\0\0\0", 14));
  while (garbage.receive().status != 0) continue;  // an alert, perhaps; then the end
  LoopbackClient nothing(server_->port());
  nothing.finish_sending();
  EXPECT_TRUE(nothing.at_end());
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls());
  client.send(kHello);
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(HttpTlsTest, CutsSlowHandshakes) {
  HttpLimits limits;
  limits.handshake = std::chrono::milliseconds(50);
  start(limits);
  LoopbackClient silent(server_->port());
  EXPECT_TRUE(silent.at_end());
  LoopbackClient halting(server_->port());
  halting.send("\x16");
  EXPECT_TRUE(halting.at_end());
  observer_.wait_until([&] { return observer_.failed == 2; });
}

TEST_F(HttpTlsTest, CutsSlowRequestsAndIdleConnections) {
  HttpLimits limits;
  limits.idle = std::chrono::milliseconds(50);
  limits.header = std::chrono::milliseconds(50);
  limits.body = std::chrono::milliseconds(50);
  start(limits);
  LoopbackClient idle(server_->port());
  ASSERT_TRUE(idle.start_tls());
  EXPECT_TRUE(idle.at_end());
  LoopbackClient slow_header(server_->port());
  ASSERT_TRUE(slow_header.start_tls());
  slow_header.send("GET /hello HT");
  EXPECT_EQ(slow_header.receive().status, 0);
  LoopbackClient slow_body(server_->port());
  ASSERT_TRUE(slow_body.start_tls());
  slow_body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx");
  EXPECT_NE(slow_body.receive().status, 200);
}

TEST_F(HttpTlsTest, CutsSlowReadersWithTlsAndWithout) {
  HttpLimits limits;
  limits.write = std::chrono::milliseconds(100);
  int closed = 0;
  for (const bool tls : {true, false}) {
    tls_ = tls;
    start(limits);
    LoopbackClient client(server_->port());
    client.receive_at_most(4096);
    ASSERT_TRUE(!tls || client.start_tls());
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ++closed;
    observer_.wait_until([&] { return observer_.closed == closed; });  // it reads nothing until the server gave up
    EXPECT_EQ(client.receive().status, 0) << tls;
  }
}

TEST_F(HttpTlsTest, AHeldPollIsAnsweredByNews) {
  start();
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls());
  client.send(kPoll);
  held_.wait_until([&] { return held_.attempts == 1; });
  held_.publish();
  EXPECT_EQ(client.receive().body, "news");
  client.send(kHello);
  EXPECT_EQ(client.receive().body, "hello");
}

TEST_F(HttpTlsTest, APollOutlivesRecordsThatCarryNoData) {
  start();
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls(TLS1_3_VERSION));
  client.send(kPoll);
  held_.wait_until([&] { return held_.attempts == 1; });
  for (int i = 0; i < 3; ++i) client.update_key();
  LoopbackClient other(server_->port());  // its answer comes after the server could have seen the records
  ASSERT_TRUE(other.start_tls());
  other.send(kHello);
  EXPECT_EQ(other.receive().body, "hello");
  EXPECT_EQ(held_.ended, 0);
  held_.publish();
  EXPECT_EQ(client.receive().body, "news");
}

TEST_F(HttpTlsTest, APollEndsWithItsClientHoweverThatLeaves) {
  start();
  const std::vector<std::function<void(LoopbackClient&)>> ways = {
      [](LoopbackClient& client) { client.close(); },
      [](LoopbackClient& client) { client.send_close_notify(); },
      [](LoopbackClient& client) { client.finish_sending(); },
      [](LoopbackClient& client) {
        client.update_key();
        client.close();
      },
  };
  int gone = 0;
  for (const auto& leave : ways) {
    LoopbackClient client(server_->port());
    ASSERT_TRUE(client.start_tls(TLS1_3_VERSION));
    client.send(kPoll);
    held_.wait_until([&] { return held_.attempts == gone + 1; });
    leave(client);
    ++gone;
    held_.wait_until([&] { return held_.ended == gone; });
  }
}

TEST_F(HttpTlsTest, APipelinedRequestBehindAPollIsAnsweredAfterIt) {
  start();
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls());
  client.send(std::string(kPoll) + kHello);
  held_.wait_until([&] { return held_.attempts == 1; });
  client.send(kHello);
  held_.publish();
  EXPECT_EQ(client.receive().body, "news");
  EXPECT_EQ(client.receive().body, "hello");
  EXPECT_EQ(client.receive().body, "hello");
}

TEST_F(HttpTlsTest, StoppingAnswersHeldPollsAndEndsHandshakes) {
  start();
  LoopbackClient polling(server_->port());
  ASSERT_TRUE(polling.start_tls());
  polling.send(kPoll);
  held_.wait_until([&] { return held_.attempts == 1; });
  LoopbackClient idle(server_->port());
  ASSERT_TRUE(idle.start_tls());
  idle.send(kHello);
  ASSERT_EQ(idle.receive().status, 200);
  LoopbackClient halting(server_->port());
  halting.send("\x16");
  observer_.wait_until([&] { return observer_.opened == 3; });
  server_->stop();
  const auto answer = polling.receive();
  EXPECT_EQ(answer.body, "nothing");
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(halting.at_end());
  EXPECT_EQ(observer_.closed, 3);
}

TEST_F(HttpTlsTest, AReloadIsForNewConnectionsAndEndsNone) {
  start();
  LoopbackClient before(server_->port());
  ASSERT_TRUE(before.start_tls());
  const std::string old = before.server_certificate();
  before.send(kPoll);
  held_.wait_until([&] { return held_.attempts == 1; });
  const auto next = authority_.issue({.ends_s = 7200});
  install(next);
  ASSERT_TRUE(context_->reload());
  LoopbackClient after(server_->port());
  ASSERT_TRUE(after.start_tls());
  EXPECT_EQ(after.server_certificate(), next.certificate);
  EXPECT_NE(old, next.certificate);
  held_.publish();
  EXPECT_EQ(before.receive().body, "news");
}

TEST_F(HttpTlsTest, ABadReloadKeepsWhatWasThere) {
  start();
  const auto expires = context_->expires_at_ms();
  const std::string good_key = authority_.issue().key;
  const auto expect_kept = [&](const char* what) {
    EXPECT_FALSE(context_->reload()) << what;
    EXPECT_EQ(context_->expires_at_ms(), expires);
    LoopbackClient client(server_->port());
    EXPECT_TRUE(client.start_tls()) << what;
  };
  std::ofstream(files_.key) << good_key;
  expect_kept("the key of another certificate");
  install(authority_.issue({.ends_s = 7200}));
  ::chmod(files_.key.c_str(), 0644);
  expect_kept("a key that others may read");
  std::ofstream(files_.certificate) << "-----BEGIN CERTIFICATE-----\n";
  expect_kept("half a certificate");
  ::unlink(files_.certificate.c_str());
  expect_kept("no certificate");
}

TEST_F(HttpTlsTest, FilesThatCannotBeUsedAreNamed) {
  const auto refusal = [&] { return TlsContext::load(files_).error().message; };
  ::chmod(files_.key.c_str(), 0640);
  EXPECT_THAT(refusal(), HasSubstr(files_.key));
  install({"nonsense", authority_.issue().key});
  EXPECT_THAT(refusal(), HasSubstr(files_.certificate + ": expected a PEM certificate"));
  install({authority_.issue().certificate, "nonsense"});
  EXPECT_THAT(refusal(), HasSubstr(files_.key + ": expected an unencrypted PEM private key"));
  install({authority_.issue().certificate, authority_.issue().key});
  EXPECT_THAT(refusal(), HasSubstr("not the key of the certificate in " + files_.certificate));
}

TEST_F(HttpTlsTest, TheChainIsSentAlong) {
  auto issued = authority_.issue();
  issued.certificate += authority_.pem();
  install(issued);
  EXPECT_TRUE(context_->reload());
  issued.certificate += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  install(issued);
  EXPECT_FALSE(context_->reload());
}

TEST_F(HttpTlsTest, TheObserverHearsOfEveryAnswer) {
  start();
  LoopbackClient client(server_->port());
  ASSERT_TRUE(client.start_tls());
  client.send("GET /hello?secret=1 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine-1\r\n\r\n");
  const auto reply = client.receive();
  EXPECT_THAT(reply.head, HasSubstr("X-Request-Id: mine-1\r\n"));
  client.send("GET /nope HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: not a name\r\n\r\n");
  const auto made = client.receive();
  EXPECT_THAT(made.head, testing::ContainsRegex("X-Request-Id: [0-9a-f]{16}"));
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.receive().status, 400);
  client.close();
  server_->stop();
  ASSERT_EQ(observer_.lines.size(), 3u);
  EXPECT_EQ(observer_.lines[0], "GET /hello /hello 200 anonymous mine-1");
  EXPECT_THAT(observer_.lines[1], HasSubstr("GET /nope  404 "));
  EXPECT_THAT(observer_.lines[2], HasSubstr(" 400 "));
  EXPECT_EQ(observer_.opened, 1);
  EXPECT_EQ(observer_.closed, 1);
}

}  // namespace
}  // namespace egress::server
