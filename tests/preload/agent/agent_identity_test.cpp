// Sessions with a workload's token: the manifest says who they are, and the server's word takes their policy away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/preload/agent/agent_fixture.h"

namespace egress {
namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "egressw_0123456789abcdef";

std::string binding_of(const std::string& token) { return make_token_binding(format_sha256(sha256(token))); }

// What the registration says; namespace is the fixture's "demo".
Manifest registered(const std::string& token = kToken) {
  Manifest manifest;
  manifest.workload = "checkout";
  manifest.authenticated = true;
  manifest.labels = {{"app", "pay"}};
  manifest.target = "deployment/checkout";
  manifest.token_binding = binding_of(token);
  return manifest;
}

FakeServer::Response refusal(unsigned status, const std::string& code) {
  return {.status = status, .body = R"({"error":")" + code + R"(","message":"the server says )" + code + "\"}"};
}

class AgentIdentityTest : public AgentTest {
 protected:
  using Fields = std::map<HelloField, std::string>;

  Expected<AgentReply> say_hello(const Fields& claims) {
    std::array<std::string, kHelloFieldCount> all;
    all[static_cast<std::size_t>(HelloField::kServer)] = url.empty() ? server->url() : url;
    all[static_cast<std::size_t>(HelloField::kResolve)] = "api.example=127.0.0.1";
    for (const auto& [field, value] : claims) all[static_cast<std::size_t>(field)] = value;
    return ask(encode_request(RequestKind::kHello, all));
  }
  std::unique_ptr<Membership> enter(const Fields& claims) {
    auto reply = say_hello(claims);
    EXPECT_TRUE(reply.has_value() && reply->header.status == 0);
    return std::make_unique<Membership>(std::move(*reply));
  }
  std::unique_ptr<Membership> enter_by_token() { return enter({{HelloField::kToken, kToken}}); }

  static NoPolicyCause cause_of(const Membership& member) {
    return static_cast<NoPolicyCause>(member.header().no_policy);
  }
};

TEST_F(AgentIdentityTest, TheManifestSaysWhoTheWorkloadIs) {
  Rule mine = allow_host("api.example");
  mine.require_auth = true;
  mine.workloads = WorkloadMatch{{{.key = "app", .values = {"pay"}}}, "deployment/*"};
  server->offer({mine}, 1, registered());
  const auto member = enter_by_token();
  EXPECT_EQ(member->text(), "");
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  const auto session = status()["sessions"][0];
  EXPECT_EQ(session["namespace"], "demo");
  EXPECT_EQ(session["workload"], "checkout");
  EXPECT_EQ(session["authenticated"], true);
}

TEST_F(AgentIdentityTest, TheTokenIsSentAndWhatIsNotClaimedIsNotAskedFor) {
  server->offer({}, 1, registered());
  const auto member = enter_by_token();
  const auto asked = server->requests("/api/bundle");
  ASSERT_FALSE(asked.empty());
  EXPECT_EQ(asked[0].target, "/api/bundle");
  EXPECT_EQ(asked[0].headers.at("authorization"), std::string("Bearer ") + kToken);
  const auto post = nlohmann::json::parse(server->wait_for("/api/bundle/status", 1)[0]);
  EXPECT_EQ(post["namespace"], "demo");
  EXPECT_EQ(post["workload"], "checkout");
  EXPECT_EQ(post["processes"], 1);
}

TEST_F(AgentIdentityTest, RecordsSayWhoItIsToo) {
  server->offer({}, 1, registered());
  const auto member = enter_by_token();
  member->connect_and_record(make_ipv4(0xcb007105), 443);
  const auto logs = server->wait_for("/v1/logs", 1);
  EXPECT_THAT(logs[0], HasSubstr(R"({"key":"agent.namespace","value":{"stringValue":"demo"}})"));
  EXPECT_THAT(logs[0], HasSubstr(R"({"key":"agent.name","value":{"stringValue":"checkout"}})"));
}

TEST_F(AgentIdentityTest, RecordsFromBeforeTheFirstManifestGetItsIdentity) {
  server->answer_everything(FakeServer::Response{.status = 503});
  const auto member = enter_by_token();
  EXPECT_EQ(cause_of(*member), NoPolicyCause::kUnavailable);
  member->connect_and_record(make_ipv4(0xcb007105), 443);
  server->wait_for("/v1/logs", 1);
  server->offer({}, 1, registered());
  server->answer_everything(std::nullopt);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["uploaded"] == 1; }));
  const auto session = status()["sessions"][0];
  EXPECT_EQ(session["events"]["dropped"], 0);
}

TEST_F(AgentIdentityTest, ClaimsThatRepeatTheRegistrationAreFine) {
  server->offer({allow_host("api.example")}, 1, registered());
  const auto member = enter({{HelloField::kToken, kToken},
                             {HelloField::kNamespace, "demo"},
                             {HelloField::kWorkload, "checkout"},
                             {HelloField::kLabels, "app=pay"},
                             {HelloField::kTarget, "deployment/checkout"}});
  EXPECT_EQ(cause_of(*member), NoPolicyCause::kNone) << member->text();
}

TEST_F(AgentIdentityTest, ClaimsThatContradictItGetNoPolicy) {
  server->offer({allow_host("api.example")}, 1, registered());
  const std::pair<HelloField, const char*> claims[] = {{HelloField::kNamespace, "prod"},
                                                       {HelloField::kWorkload, "other"},
                                                       {HelloField::kLabels, "app=other"},
                                                       {HelloField::kTarget, "deployment/other"}};
  const char* variables[] = {"EGRESS_NAMESPACE", "EGRESS_WORKLOAD", "EGRESS_LABELS", "EGRESS_TARGET"};
  for (std::size_t i = 0; i < std::size(claims); ++i) {
    const auto member = enter({{HelloField::kToken, kToken}, {claims[i].first, claims[i].second}});
    EXPECT_EQ(cause_of(*member), NoPolicyCause::kRefused) << variables[i];
    EXPECT_THAT(member->text(), HasSubstr(variables[i]));
    EXPECT_THAT(member->text(), HasSubstr("checkout"));
    EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
  }
  const auto honest = enter_by_token();
  EXPECT_EQ(cause_of(*honest), NoPolicyCause::kNone) << honest->text();
}

TEST_F(AgentIdentityTest, AnotherTokensManifestIsNotTaken) {
  server->offer({allow_host("api.example")}, 1, registered("egressw_of_another"));
  const auto member = enter_by_token();
  EXPECT_EQ(cause_of(*member), NoPolicyCause::kUnavailable);
  EXPECT_THAT(member->text(), HasSubstr("another workload"));
  server->offer({allow_host("api.example")}, 2, registered());
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["revision"] == 2; }));
}

TEST_F(AgentIdentityTest, OnceAuthenticatedAlwaysSo) {
  server->offer({allow_host("api.example")}, 1, registered());
  const auto member = enter_by_token();
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  server->offer({block_host("api.example")}, 2);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) {
    return json["sessions"][0]["error"].get<std::string>().find("authenticated") != std::string::npos;
  }));
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
}

TEST_F(AgentIdentityTest, AManifestForATokenIsNotForASessionWithoutOne) {
  server->offer({allow_host("api.example")}, 1, registered());
  const auto member = hello();
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
  EXPECT_THAT(member->text(), HasSubstr("token"));
}

TEST_F(AgentIdentityTest, ALabelChangeReachesTheProcess) {
  Rule mine = allow_host("api.example");
  mine.workloads = WorkloadMatch{{{.key = "app", .values = {"pay"}}}, {}};
  server->offer({mine}, 1, registered());
  const auto member = enter_by_token();
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  Manifest changed = registered();
  changed.labels = {{"app", "other"}};
  server->offer({mine}, 1, changed);
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny));
}

TEST_F(AgentIdentityTest, ARefusedTokenTakesThePolicyFromRunningAndNewProcessesAndFromDisk) {
  for (const auto& [status_code, code] : {std::pair(401u, "token_revoked"), std::pair(401u, "token_expired"),
                                          std::pair(401u, "unauthenticated"), std::pair(403u, "role_required")}) {
    const std::string token = std::string(kToken) + code;
    server->offer({allow_host("api.example")}, 1, registered(token));
    const auto member = enter({{HelloField::kToken, token}});
    lookup("api.example");
    EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow) << code;
    server->answer_everything(refusal(status_code, code));
    EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny)) << code;
    EXPECT_EQ(member->connect(kUpstream).decision.no_policy, NoPolicyCause::kRefused);
    const auto later = enter({{HelloField::kToken, token}});
    EXPECT_EQ(cause_of(*later), NoPolicyCause::kRefused);
    EXPECT_THAT(later->text(), HasSubstr(code));
    restart();
    server->answer_everything(FakeServer::Response{.status = 503});
    const auto after = enter({{HelloField::kToken, token}});
    EXPECT_EQ(cause_of(*after), NoPolicyCause::kUnavailable) << "nothing is left on disk";
    server->answer_everything(std::nullopt);
  }
}

TEST_F(AgentIdentityTest, AServerThatAsksForTokensNowTakesThePolicyFromThoseWithout) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  server->answer_everything(refusal(401, "unauthenticated"));
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny));
  const auto later = hello("api.example=127.0.0.1");
  EXPECT_THAT(later->text(), HasSubstr("EGRESS_TOKEN"));
  EXPECT_THAT(later->text(), HasSubstr("register"));
}

TEST_F(AgentIdentityTest, ARefusalThatEndsGivesThePolicyBack) {
  server->offer({allow_host("api.example")}, 1, registered());
  server->answer_everything(refusal(403, "not_this_workload"));
  const auto member = enter_by_token();
  EXPECT_EQ(cause_of(*member), NoPolicyCause::kRefused);
  server->answer_everything(std::nullopt);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["policy"] == true; }));
}

TEST_F(AgentIdentityTest, ServerTroubleAfterARefusalChangesNothing) {
  server->offer({allow_host("api.example")}, 1, registered());
  const auto member = enter_by_token();
  server->answer_everything(refusal(401, "token_revoked"));
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["policy"] == false; }));
  const std::size_t asked = server->count("/api/bundle");
  server->answer_everything(FakeServer::Response{.status = 503});
  server->wait_for("/api/bundle", asked + 1);
  EXPECT_EQ(member->connect(kUpstream).decision.no_policy, NoPolicyCause::kRefused);
}

TEST_F(AgentIdentityTest, WithoutAServerTheStoredBundleOfTheTokenServesWhoeverClaimsNothingElse) {
  server->offer({allow_host("api.example")}, 7, registered());
  { const auto member = enter({{HelloField::kToken, kToken}, {HelloField::kNamespace, "demo"}}); }
  url = server->url();
  restart();
  server.reset();
  const auto member = enter_by_token();
  EXPECT_EQ(cause_of(*member), NoPolicyCause::kNone) << member->text();
  EXPECT_EQ(status()["sessions"][0]["workload"], "checkout");
  const auto liar = enter({{HelloField::kToken, kToken}, {HelloField::kNamespace, "prod"}});
  EXPECT_EQ(cause_of(*liar), NoPolicyCause::kRefused);
  const auto other = enter({{HelloField::kToken, "egressw_other"}});
  EXPECT_EQ(cause_of(*other), NoPolicyCause::kUnavailable);
}

TEST_F(AgentIdentityTest, RecordsThatTheServerRejectsAreCountedAsDropped) {
  server->offer({}, 1, registered());
  const auto member = enter_by_token();
  server->answer_everything(FakeServer::Response{
      .status = 200, .body = R"({"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"not yours"}})"});
  member->connect_and_record(make_ipv4(0xcb007105), 443);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["dropped"] == 1; }));
  EXPECT_EQ(status()["events"]["uploaded"], 0);
}

}  // namespace
}  // namespace egress
