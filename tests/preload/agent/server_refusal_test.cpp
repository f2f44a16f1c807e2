#include "preload/agent/server_refusal.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

SessionIdentity identity_with(const std::string& token) {
  SessionIdentity identity;
  identity.server = parse_server_url("http://127.0.0.1:8443").value();
  identity.key.namespace_path = "demo";
  identity.key.token = token;
  return identity;
}

TEST(ServerRefusalTest, TellsWhatTakesThePolicyAway) {
  struct Case {
    const char* name;
    unsigned status;
    const char* body;
    std::optional<NoPolicyCause> cause;
    bool forget_stored;
  };
  const Case cases[] = {
      {"revoked", 401, R"({"error":"token_revoked"})", NoPolicyCause::kRefused, true},
      {"expired", 401, R"({"error":"token_expired"})", NoPolicyCause::kRefused, true},
      {"unknown token", 401, R"({"error":"unauthenticated"})", NoPolicyCause::kRefused, true},
      {"another workload", 403, R"({"error":"not_this_workload"})", NoPolicyCause::kRefused, false},
      {"a person's token", 403, R"({"error":"role_required"})", NoPolicyCause::kRefused, true},
      {"namespace", 404, R"({"error":"namespace_unknown"})", NoPolicyCause::kNamespaceUnknown, true},
      {"another 404", 404, R"({"error":"not_found"})", std::nullopt, false},
      {"a proxy's 403", 403, "<html>forbidden</html>", std::nullopt, false},
      {"a proxy's 401", 401, "", std::nullopt, false},
      {"no code", 401, R"({"error":1})", std::nullopt, false},
      {"too many strangers", 429, R"({"error":"rate_limited"})", NoPolicyCause::kRefused, false},
      {"a proxy's 429", 429, "slow down", std::nullopt, false},
      {"broken", 500, R"({"error":"internal_error"})", std::nullopt, false},
      {"away", 503, R"({"error":"store_unavailable"})", std::nullopt, false},
  };
  for (const Case& one : cases) {
    const auto refusal = find_refusal(one.status, one.body, identity_with("t"));
    ASSERT_EQ(refusal.has_value(), one.cause.has_value()) << one.name;
    if (!refusal) continue;
    EXPECT_EQ(refusal->cause, *one.cause) << one.name;
    EXPECT_EQ(refusal->forget_stored, one.forget_stored) << one.name;
    EXPECT_NE(refusal->message, "") << one.name;
  }
}

TEST(ServerRefusalTest, SaysWhatToDo) {
  const char* body = R"({"error":"unauthenticated","message":"who are you?"})";
  const auto without = find_refusal(401, body, identity_with("")).value();
  EXPECT_NE(without.message.find("register"), std::string::npos) << without.message;
  EXPECT_NE(without.message.find("EGRESS_TOKEN"), std::string::npos) << without.message;
  const auto with = find_refusal(401, body, identity_with("secret")).value();
  EXPECT_NE(with.message.find("who are you?"), std::string::npos) << with.message;
  EXPECT_NE(with.message.find("EGRESS_TOKEN"), std::string::npos) << with.message;
  EXPECT_EQ(with.message.find("secret"), std::string::npos) << "a token is not shown";
}

TEST(ServerRefusalTest, WhatTheServerSaysIsMadeFitForATerminal) {
  const auto error = parse_error_body("{\"error\":\"x\",\"message\":\"a\\u001b[2Jb" + std::string(1000, 'c') + "\"}");
  EXPECT_EQ(error.message.substr(0, 6), "a [2Jb");
  EXPECT_EQ(error.message.size(), 512u);
}

}  // namespace
}  // namespace egress
