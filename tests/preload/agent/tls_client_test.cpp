#include "preload/agent/tls_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <fstream>
#include <optional>

#include "preload/agent/http_client.h"
#include "tests/preload/agent/fake_server.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

using ::testing::HasSubstr;
namespace asio = boost::asio;

// A request to a real https server on loopback, by a client that trusts `authority_` through EGRESS_CA.
class TlsClientTest : public ::testing::Test {
 protected:
  TlsClientTest() {
    std::signal(SIGPIPE, SIG_IGN);  // the test's server writes with OpenSSL's own socket BIO
    ca_ = (directory_.path() / "ca.pem").string();
    std::ofstream(ca_) << authority_.pem();
  }

  Expected<HttpResponse> ask(const std::string& url, const std::string& ca) {
    HttpClient client(loop_.get_executor(), parse_server_url(url).value(), ca);
    return ask(client);
  }
  Expected<HttpResponse> ask(HttpClient& client, std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    std::optional<Expected<HttpResponse>> result;
    HttpRequest request;
    request.target = "/";
    request.deadline = deadline;
    asio::co_spawn(loop_, client.send(std::move(request)),
                   [&](std::exception_ptr failure, Expected<HttpResponse> response) {
                     if (failure) std::rethrow_exception(failure);
                     result = std::move(response);
                   });
    loop_.restart();
    loop_.run();
    return std::move(*result);
  }
  FakeServer::Handler count() {
    return [this](const FakeServer::Request&) {
      ++requests_;
      return FakeServer::Response{.body = "hello"};
    };
  }

  TempDirectory directory_;
  TlsAuthority authority_{"the test's authority"};
  TlsAuthority stranger_{"another authority"};
  std::string ca_;
  std::atomic<int> requests_{0};
  asio::io_context loop_{1};
};

TEST_F(TlsClientTest, TalksToAServerThatProvesItsAddressOrName) {
  const FakeServer server(count(), authority_.issue());
  HttpClient client(loop_.get_executor(), parse_server_url(server.url()).value(), ca_);
  for (int i = 0; i < 3; ++i) {
    const auto answer = ask(client);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "hello");
  }
  EXPECT_EQ(server.connections(), 1u);
  const auto by_name = ask("https://localhost:" + std::to_string(server.port()), ca_);
  EXPECT_TRUE(by_name) << by_name.error().message;
}

TEST_F(TlsClientTest, TrustsWhatTheFileHoldsBeItTheServersOwnCertificate) {
  const auto issued = authority_.issue();
  std::ofstream(ca_) << issued.certificate;
  const FakeServer server(count(), issued);
  const auto answer = ask(server.url(), ca_);
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST_F(TlsClientTest, RefusesCertificatesThatProveNothingAndSaysWhy) {
  const struct {
    const char* name;
    TlsAuthority::Issued issued;
    std::string ca;
    const char* says;
  } kCases[] = {
      {"expired", authority_.issue({.ends_s = -60}), ca_, "its certificate has expired"},
      {"not yet valid", authority_.issue({.begins_s = 3600, .ends_s = 7200}), ca_, "is not valid yet"},
      {"another host", authority_.issue({.names = "DNS:elsewhere.test,IP:192.0.2.1"}), ca_,
       "its certificate is not for 127.0.0.1"},
      {"another authority", stranger_.issue(), ca_, "is not signed by what EGRESS_CA ("},
      {"an authority the system does not know", authority_.issue(), "", "set EGRESS_CA to a PEM file"},
  };
  for (const auto& c : kCases) {
    const FakeServer server(count(), c.issued);
    const auto answer = ask(server.url(), c.ca);
    ASSERT_FALSE(answer) << c.name;
    EXPECT_EQ(answer.error().code, ErrorCode::kUntrusted) << c.name;
    EXPECT_THAT(answer.error().message, HasSubstr(c.says)) << c.name;
    EXPECT_THAT(answer.error().message, HasSubstr(server.url())) << c.name;
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(TlsClientTest, NeverFallsBackToPlainTextOrOldTls) {
  const FakeServer plain(count());  // waits for a request, and never sees one
  HttpClient client(loop_.get_executor(), parse_server_url("https://" + plain.authority()).value(), ca_);
  const auto to_plain = ask(client, std::chrono::milliseconds(200));
  ASSERT_FALSE(to_plain);
  EXPECT_EQ(to_plain.error().code, ErrorCode::kUnavailable);
  const FakeServer old(count(), authority_.issue(), TLS1_1_VERSION);
  const auto to_old = ask(old.url(), ca_);
  ASSERT_FALSE(to_old);
  EXPECT_EQ(requests_, 0);
}

TEST_F(TlsClientTest, AnUnusableCaFileIsNamed) {
  const FakeServer server(count(), authority_.issue());
  std::ofstream(ca_) << "no certificate\n";
  for (const std::string& ca : {ca_, directory_.path().string(), ca_ + ".absent"}) {
    const auto answer = ask(server.url(), ca);
    ASSERT_FALSE(answer) << ca;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument) << ca;
    EXPECT_THAT(answer.error().message, HasSubstr("EGRESS_CA " + ca)) << ca;
  }
  EXPECT_EQ(server.connections(), 0u);
}

TEST_F(TlsClientTest, AnAuthorityThatWasReplacedCountsForTheNextConnection) {
  FakeServer server([](const FakeServer::Request&) { return FakeServer::Response{.body = "x", .close = true}; },
                    stranger_.issue());
  HttpClient client(loop_.get_executor(), parse_server_url(server.url()).value(), ca_);
  EXPECT_FALSE(ask(client));
  std::ofstream(ca_) << stranger_.pem();
  EXPECT_TRUE(ask(client));
}

}  // namespace
}  // namespace egress
