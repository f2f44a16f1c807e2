#include "preload/library/resolve.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "preload/library/session.h"
#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

// The names that the scripted libc knows, each with one address; and what it was asked for.
std::map<std::string, std::string> known_names;
std::vector<std::string> asked_names;
int unknown_error = EAI_NONAME;

int scripted_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  if (node == nullptr || (hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0)) {
    return ::getaddrinfo(node, service, hints, result);
  }
  asked_names.emplace_back(node);
  const auto known = known_names.find(node);
  if (known == known_names.end()) return unknown_error;
  addrinfo numeric{};
  if (hints != nullptr) numeric = *hints;
  numeric.ai_flags = (numeric.ai_flags | AI_NUMERICHOST) & ~(AI_CANONNAME | AI_ADDRCONFIG);
  const int error = ::getaddrinfo(known->second.c_str(), service, &numeric, result);
  if (error == 0 && hints != nullptr && (hints->ai_flags & AI_CANONNAME) != 0) (*result)->ai_canonname = strdup(node);
  return error;
}

struct Answer {
  int error = 0;
  std::vector<std::string> addresses;
  std::string canonical_name;
};

class ResolveTest : public testing::Test {
 protected:
  void SetUp() override {
    known_names.clear();
    asked_names.clear();
    unknown_error = EAI_NONAME;
    ::setenv("EGRESS_RUNTIME_DIR", directory_.path().c_str(), 1);
    ::setenv("EGRESS_AGENT", "/nonexistent/egress", 1);
    ::unsetenv("EGRESS_ON_UNAVAILABLE");
  }
  void TearDown() override {
    if (std::byte* session = state_.session.load()) unmap_session(session);
  }

  FakeAgent& start_agent() {
    agent_ = std::make_unique<FakeAgent>(directory_.path());
    agent_->publish(allow_only({}));
    return *agent_;
  }

  Answer ask(const char* name, int family = AF_UNSPEC, int flags = 0, const char* service = "80") {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_flags = flags;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    Answer answer;
    answer.error = resolve(state_, scripted_getaddrinfo, name, service, &hints, &list);
    if (answer.error != 0) return answer;
    if (list->ai_canonname != nullptr) answer.canonical_name = list->ai_canonname;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      char text[64];
      ::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
      answer.addresses.emplace_back(text);
    }
    ::freeaddrinfo(list);
    return answer;
  }

  static Address address(const char* text) { return parse_address(text).value(); }

  TemporaryDirectory directory_;
  std::unique_ptr<FakeAgent> agent_;
  State state_;
};

using Texts = std::vector<std::string>;

TEST_F(ResolveTest, LeavesLiteralsAndNullNodesToLibc) {
  FakeAgent& agent = start_agent();
  EXPECT_EQ(ask("127.0.0.1").addresses, Texts{"127.0.0.1"});
  EXPECT_EQ(ask("0x7f.1").addresses, Texts{"127.0.0.1"});
  EXPECT_EQ(ask(nullptr, AF_INET).error, 0);
  EXPECT_EQ(ask("host.example", AF_UNSPEC, AI_NUMERICHOST).error, EAI_NONAME);
  EXPECT_EQ(agent.hellos(), 0u);
}

TEST_F(ResolveTest, LeavesRefusedHintsToLibc) {
  FakeAgent& agent = start_agent();
  EXPECT_EQ(ask("host.example", AF_UNSPEC, 0x40000000).error, EAI_BADFLAGS);
  EXPECT_EQ(ask("host.example", 77).error, EAI_FAMILY);
  EXPECT_EQ(ask("host.example", AF_UNSPEC, 0, "no-such-service").error, EAI_SERVICE);
  EXPECT_TRUE(agent.lookups().empty());
}

TEST_F(ResolveTest, LooksTheQueriesUpInOrderAndBindsTheOneThatAnswered) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host", {.queries = {"host.corp.example", "host.example", "host"}, .addresses = {}});
  known_names["host.example."] = "192.0.2.7";
  const Answer answer = ask("host", AF_UNSPEC, AI_CANONNAME);
  EXPECT_EQ(answer.addresses, Texts{"192.0.2.7"});
  EXPECT_EQ(answer.canonical_name, "host.example");
  EXPECT_EQ(asked_names, (Texts{"host.corp.example.", "host.example."}));
  const auto binds = agent.binds();
  ASSERT_EQ(binds.size(), 1u);
  EXPECT_EQ(binds[0].name, "host.example");
  EXPECT_EQ(binds[0].addresses, std::vector{address("192.0.2.7")});
}

TEST_F(ResolveTest, BindsMappedAnswersAsIpv4) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {"host.example"}, .addresses = {}});
  known_names["host.example."] = "192.0.2.7";
  EXPECT_EQ(ask("host.example", AF_INET6, AI_V4MAPPED).addresses, Texts{"::ffff:192.0.2.7"});
  ASSERT_EQ(agent.binds().size(), 1u);
  EXPECT_EQ(agent.binds()[0].addresses, std::vector{address("192.0.2.7")});
}

TEST_F(ResolveTest, ReturnsTheLastErrorIfNoQueryAnswers) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {"host.example"}, .addresses = {}});
  unknown_error = EAI_AGAIN;
  EXPECT_EQ(ask("host.example").error, EAI_AGAIN);
  EXPECT_TRUE(agent.binds().empty());
}

TEST_F(ResolveTest, FallsBackToTheAgentsAddressesIfNoQueryAnswers) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host", {.queries = {"host.example"}, .addresses = {address("240.0.0.9")}});
  EXPECT_EQ(ask("host").addresses, Texts{"240.0.0.9"});
}

TEST_F(ResolveTest, AnswersWithTheAgentsAddressesWithoutAskingLibc) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {}, .addresses = {address("192.0.2.1"), address("2001:db8::1")}});
  const Answer answer = ask("host.example", AF_UNSPEC, AI_CANONNAME);
  EXPECT_EQ(answer.addresses, (Texts{"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(answer.canonical_name, "host.example");
  EXPECT_EQ(ask("host.example", AF_INET).addresses, Texts{"192.0.2.1"});
  EXPECT_EQ(ask("host.example", AF_INET6).addresses, Texts{"2001:db8::1"});
  EXPECT_EQ(ask("host.example").canonical_name, "");
  EXPECT_TRUE(asked_names.empty());
}

TEST_F(ResolveTest, SaysThatThereIsNoSuchNameIfNothingIsLeft) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {}, .addresses = {address("240.0.0.9")}});
  EXPECT_EQ(ask("unknown.example").error, EAI_NONAME);
  EXPECT_EQ(ask("host.example", AF_INET6).error, EAI_NONAME);
  EXPECT_EQ(ask("host.example", AF_INET6, AI_V4MAPPED).addresses, Texts{"::ffff:240.0.0.9"});
  EXPECT_EQ(ask(std::string(2000, 'a').c_str()).error, EAI_NONAME);
}

TEST_F(ResolveTest, IntroducesItselfToAnAgentThatForgotIt) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {}, .addresses = {address("192.0.2.1")}});
  EXPECT_EQ(ask("host.example").error, 0);
  const std::byte* session = state_.session.load();
  agent.forget_processes();
  EXPECT_EQ(ask("host.example").addresses, Texts{"192.0.2.1"});
  EXPECT_EQ(agent.hellos(), 2u);
  EXPECT_EQ(state_.session.load(), session) << "the same session keeps its memory";
}

TEST_F(ResolveTest, TakesTheMemoryOfANewSession) {
  FakeAgent& agent = start_agent();
  agent.script_lookup("host.example", {.queries = {}, .addresses = {address("192.0.2.1")}});
  EXPECT_EQ(ask("host.example").error, 0);
  std::byte* old = state_.session.load();
  agent.lose_arena(FakeAgent::kFarFuture);
  agent.begin_arena(allow_only({}), 2);
  EXPECT_EQ(ask("host.example").error, 0);
  EXPECT_NE(state_.session.load(), old);
  unmap_session(old);
}

TEST_F(ResolveTest, GivesASyntheticAddressWithoutAnAgent) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(ask("host.example", AF_UNSPEC, AI_CANONNAME).addresses, Texts{"240.0.0.1"});
  EXPECT_EQ(ask("host.example", AF_INET6, AI_V4MAPPED).addresses, Texts{"::ffff:240.0.0.1"});
  EXPECT_EQ(ask("host.example", AF_INET6).error, EAI_NONAME);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("egress: no policy: cannot reach the agent at " + directory_.path().string()), 0u) << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_TRUE(asked_names.empty()) << "nothing may leave the host";
}

TEST_F(ResolveTest, LooksUpWithoutAnAgentWhereThatWasChosen) {
  ::setenv("EGRESS_ON_UNAVAILABLE", "allow", 1);
  known_names["host.example"] = "192.0.2.7";
  EXPECT_EQ(ask("host.example").addresses, Texts{"192.0.2.7"});
}

TEST_F(ResolveTest, LooksUpWithoutPolicyWhereThatWasChosen) {
  ::setenv("EGRESS_ON_UNAVAILABLE", "allow", 1);
  FakeAgent& agent = start_agent();
  known_names["host.example"] = "192.0.2.7";
  agent.publish(link_no_policy(NoPolicyCause::kUnavailable, {}));
  EXPECT_EQ(ask("host.example").addresses, Texts{"192.0.2.7"});
  EXPECT_TRUE(agent.lookups().empty());
  agent.publish(link_no_policy(NoPolicyCause::kNamespaceUnknown, {}));
  agent.script_lookup("host.example", {.queries = {}, .addresses = {address("240.0.0.9")}});
  EXPECT_EQ(ask("host.example").addresses, Texts{"240.0.0.9"});
}

}  // namespace
}  // namespace egress
