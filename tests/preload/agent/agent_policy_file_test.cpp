// Sessions whose policy is a registered file, through the agent's socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "preload/agent/policy_file_name.h"
#include "preload/agent/policy_registry.h"
#include "preload/agent/sealed_text.h"
#include "preload/agent/session_table.h"
#include "tests/preload/agent/agent_fixture.h"

namespace egress {
namespace {

using ::testing::HasSubstr;

constexpr char kPolicy[] = R"(
apiVersion: egress/v1
kind: Namespace
metadata: {name: /}
spec: {loopback: enforce}
---
apiVersion: egress/v1
kind: EgressDomain
metadata: {name: api.example}
spec: {action: allow}
)";
const Address kElsewhere = make_ipv4(0xcb007105);

class AgentPolicyFileTest : public AgentTest {
 protected:
  std::string registered(const std::string& text) {
    auto name = register_policy(socket_path(), text, "demo");
    EXPECT_TRUE(name.has_value()) << name.error().message;
    return name.value_or("");
  }

  std::string refusal_of(const Expected<AgentReply>& reply) {
    EXPECT_TRUE(reply.has_value()) << reply.error().message;
    EXPECT_EQ(static_cast<ReplyStatus>(reply->header.status), ReplyStatus::kRefused);
    return reply->body;
  }

  std::string hello_refusal(const std::string& server_name) {
    url = server_name;
    return refusal_of(ask(encode_request(RequestKind::kHello, fields())));
  }
};

TEST_F(AgentPolicyFileTest, TheFileIsThePolicy) {
  url = registered(kPolicy);
  EXPECT_EQ(url, PolicyFileName{sha256(kPolicy)}.text());
  const auto member = hello();
  EXPECT_EQ(member->header().no_policy, 0);
  EXPECT_EQ(member->text(), "");
  EXPECT_EQ(lookup("api.example").queries, std::vector<std::string>{"api.example"});
  EXPECT_TRUE(lookup("evil.example").queries.empty());
  EXPECT_EQ(bind("api.example", kUpstream), ReplyStatus::kOk);
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  EXPECT_EQ(member->connect(kElsewhere).decision.verdict, Verdict::kDeny);
  EXPECT_EQ(server->count("/"), 0u) << "no server is asked";
}

TEST_F(AgentPolicyFileTest, ShadowLetsPassAndAnotherNamespaceIsAnotherSession) {
  const std::string name = registered(kPolicy);
  url = name;
  const auto strict = hello();
  url = name + ":shadow";
  const auto lax = hello();
  EXPECT_NE(strict->header().session_id, lax->header().session_id);
  EXPECT_EQ(strict->connect(kElsewhere).decision.verdict, Verdict::kDeny);
  EXPECT_EQ(lax->connect(kElsewhere).decision.verdict, Verdict::kWouldDeny);
}

TEST_F(AgentPolicyFileTest, RecordsAreCountedThoughNobodyTakesThem) {
  url = registered(kPolicy);
  const auto member = hello();
  for (std::uint16_t port = 1; port <= 20; ++port) member->connect_and_record(kElsewhere, port);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["local"] == 20; }));
  const auto json = status();
  EXPECT_EQ(json["events"]["recorded"], 20);
  EXPECT_EQ(json["events"]["uploaded"], 0);
  EXPECT_EQ(json["events"]["pending"], 0);
  EXPECT_EQ(json["events"]["dropped"], 0);
  const auto& session = json["sessions"][0];
  EXPECT_EQ(session["server"], url);
  EXPECT_EQ(session["policy"], true);
  EXPECT_EQ(session["events"]["local"], 20);
  EXPECT_EQ(server->count("/"), 0u);
}

TEST_F(AgentPolicyFileTest, AFileThatNobodyRegisteredIsRefused) {
  const std::string unknown = PolicyFileName{sha256("unknown")}.text();
  EXPECT_THAT(hello_refusal(unknown), HasSubstr("egress exec --policy"));
  EXPECT_THAT(hello_refusal("file:policy.yaml"), HasSubstr("EGRESS_SERVER"));
  EXPECT_TRUE(status()["sessions"].empty());
}

TEST_F(AgentPolicyFileTest, TheAgentChecksForItself) {
  const auto refused = [this](const std::string& text) {
    const auto name = register_policy(socket_path(), text, "demo");
    return name ? std::string() : name.error().message;
  };
  EXPECT_THAT(refused(""), HasSubstr("holds no document"));
  EXPECT_THAT(refused("apiVersion: egress/v1\nkind: Wish\nmetadata: {name: a}\n"), HasSubstr("line 2, column 7"));
  const auto no_namespace = register_policy(socket_path(), kPolicy, "Not/A/Namespace");
  EXPECT_FALSE(no_namespace.has_value());
}

TEST_F(AgentPolicyFileTest, HostileDescriptorsAreRefused) {
  const std::string request = encode_request(RequestKind::kPolicy, {});
  EXPECT_THAT(refusal_of(ask(request)), HasSubstr("descriptor"));
  const UniqueFd writable(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_GT(::write(writable.get(), kPolicy, sizeof kPolicy - 1), 0);
  EXPECT_THAT(refusal_of(ask_agent(socket_path(), request, kPatience, writable.get())), HasSubstr("sealed"));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  EXPECT_THAT(refusal_of(ask_agent(socket_path(), request, kPatience, read_end.get())), HasSubstr("sealed"));
  // One that came along with another request is closed, not kept.
  const auto answered = ask_agent(socket_path(), encode_request(RequestKind::kStatus, {}), kPatience, write_end.get());
  EXPECT_TRUE(answered.has_value());
}

TEST_F(AgentPolicyFileTest, AnEndedSessionTakesItsFileAlong) {
  url = registered(kPolicy);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kHello, fields()), kPatience);
    ::_exit(reply && reply->header.status == 0 && reply->header.no_policy == 0 ? 0 : 1);
  }
  int ended = 0;
  ASSERT_EQ(::waitpid(child, &ended, 0), child);
  ASSERT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["process_count"] == 0; }));
  // The session's time without use begins at some tick; each step is longer than that and than the file's.
  EXPECT_TRUE(await_status([this](const nlohmann::json& json) {
    agent->clock().advance_ms(kUnusedSessionMs + kUnclaimedPolicyMs);
    return json["sessions"].empty();
  }));
  agent->clock().advance_ms(kUnclaimedPolicyMs);
  const auto is_gone = [this] {
    const auto reply = ask(encode_request(RequestKind::kHello, fields()));
    return reply && static_cast<ReplyStatus>(reply->header.status) == ReplyStatus::kRefused;
  };
  EXPECT_TRUE(is_gone());
}

}  // namespace
}  // namespace egress
