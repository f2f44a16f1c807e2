#include "preload/cli/server_call.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/preload/agent/fake_server.h"

namespace egress {
namespace {

TEST(ServerCallTest, SendsAndReturnsWhatTheServerSays) {
  FakeServer::Request seen;
  FakeServer server([&](const FakeServer::Request& request) {
    seen = request;
    return FakeServer::Response{.status = 409, .body = "no"};
  });
  ::setenv("EGRESS_ADMIN_TOKEN", "secret", 1);
  ::setenv("EGRESS_TOKEN", "a workload's, which is not sent", 1);
  std::string target = "/api/manifests";
  add_query(target, "namespace", "a/b c");
  add_query(target, "dry_run", "true");
  add_query(target, "force", "");
  const auto answer = call_server({.server = server.url(),
                                   .method = "POST",
                                   .target = target,
                                   .content_type = "application/yaml",
                                   .body = "a: 1\n"});
  ::unsetenv("EGRESS_ADMIN_TOKEN");
  ::unsetenv("EGRESS_TOKEN");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 409u);
  EXPECT_EQ(answer->body, "no");
  EXPECT_EQ(answer->server, server.url());
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/api/manifests?namespace=a%2Fb%20c&dry_run=true");
  EXPECT_EQ(seen.headers["content-type"], "application/yaml");
  EXPECT_EQ(seen.headers["authorization"], "Bearer secret");
  EXPECT_EQ(seen.body, "a: 1\n");
}

TEST(ServerCallTest, TheFlagGoesBeforeTheEnvironment) {
  FakeServer server([](const FakeServer::Request&) { return FakeServer::Response{.body = "here"}; });
  ::setenv("EGRESS_SERVER", server.url().c_str(), 1);
  EXPECT_EQ(call_server({.target = "/"})->body, "here");
  ::setenv("EGRESS_SERVER", "file:nonsense", 1);
  EXPECT_EQ(call_server({.target = "/"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(call_server({.server = server.url(), .target = "/"})->body, "here");
  ::unsetenv("EGRESS_SERVER");
}

TEST(ServerCallTest, ATokenFileGoesBeforeTheEnvironmentAndMustHoldOneToken) {
  FakeServer::Request seen;
  FakeServer server([&](const FakeServer::Request& request) {
    seen = request;
    return FakeServer::Response{.body = "ok"};
  });
  const std::string file = ::testing::TempDir() + "/egress_token_" + std::to_string(::getpid());
  ::setenv("EGRESS_ADMIN_TOKEN", "other", 1);
  std::ofstream(file) << "from-file\n";
  ASSERT_TRUE(call_server({.server = server.url(), .token_file = file, .target = "/"}));
  EXPECT_EQ(seen.headers["authorization"], "Bearer from-file");
  for (const std::string content : {"", "two words", "two\nlines", "x\ty"}) {
    std::ofstream(file) << content;
    const auto refused = call_server({.server = server.url(), .token_file = file, .target = "/"});
    ASSERT_FALSE(refused) << content;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << content;
  }
  ::unlink(file.c_str());
  EXPECT_FALSE(call_server({.server = server.url(), .token_file = file, .target = "/"}));
  ::setenv("EGRESS_ADMIN_TOKEN", "two words", 1);
  EXPECT_FALSE(call_server({.server = server.url(), .target = "/"}));
  ::unsetenv("EGRESS_ADMIN_TOKEN");
}

TEST(ServerCallTest, WhatATokenIsRefusedForComesWithTheRemedy) {
  const auto said = [](unsigned status) {
    return describe_refusal({.server = "http://s:1", .status = status, .body = R"({"error": "x", "message": "y"})"});
  };
  EXPECT_NE(said(401).find("EGRESS_ADMIN_TOKEN"), std::string::npos);
  EXPECT_NE(said(403).find("ask an admin"), std::string::npos);
}

TEST(ServerCallTest, NobodyThereIsUnavailable) {
  const auto answer = call_server({.server = "http://127.0.0.1:1", .target = "/"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

TEST(ServerCallTest, RefusalsSayWhoSaidWhat) {
  const auto said = [](unsigned status, const char* body) {
    return describe_refusal({.server = "http://s:1", .status = status, .body = body});
  };
  EXPECT_EQ(said(409, R"({"error": "a", "message": "b"})"), "http://s:1 answered 409: a: b");
  EXPECT_EQ(said(409, R"({"error": "a"})"), "http://s:1 answered 409: a");
  EXPECT_EQ(said(400, R"({"message": "x\u001b[0m"})"), "http://s:1 answered 400: x [0m");
  EXPECT_EQ(said(404, "<html>"), "http://s:1 answered 404: is it an egress-server of this version?");
  EXPECT_EQ(said(500, R"({"error": 5})"), "http://s:1 answered 500: is it an egress-server of this version?");
}

TEST(ServerCallTest, ARefusalIs1AndNoUsableAnswer4) {
  for (const unsigned status : {400u, 401u, 403u, 409u, 413u})
    EXPECT_EQ(exit_status_of({"", status, "", ""}), 1) << status;
  for (const unsigned status : {302u, 404u, 429u, 500u, 503u})
    EXPECT_EQ(exit_status_of({"", status, "", ""}), 4) << status;
}

}  // namespace
}  // namespace egress
