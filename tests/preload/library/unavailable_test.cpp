// Without an agent, without policy, and after the agent's end.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/listeners.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/preloaded_process.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

class UnavailableTest : public testing::Test {
 protected:
  PreloadedProcess::Environment environment(const std::string& on_unavailable = "") const {
    PreloadedProcess::Environment variables{{"EGRESS_RUNTIME_DIR", directory_.path().string()},
                                            {"EGRESS_AGENT", "/nonexistent/egress"}};
    if (!on_unavailable.empty()) variables["EGRESS_ON_UNAVAILABLE"] = on_unavailable;
    return variables;
  }
  std::string connect() const { return "connect 127.0.0.1 " + std::to_string(listener_.port()); }
  std::string send() const { return "sendto 127.0.0.1 " + std::to_string(listener_.port()); }
  LinkedStack allow() const {
    return allow_only({{.cidr = "127.0.0.1/32", .port = listener_.port(), .transport = std::nullopt}});
  }

  TemporaryDirectory directory_;
  TcpListener listener_;
};

TEST_F(UnavailableTest, FailsClosedWithOneLineThatSaysWhatToDo) {
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  EXPECT_EQ(program.ask(send()), "ECONNREFUSED");
  EXPECT_EQ(program.ask("resolve api.example 0 0"), "0 240.0.0.1");
  EXPECT_EQ(program.ask("fork " + connect()), "ECONNREFUSED");
  EXPECT_EQ(listener_.accepted(), 0);
  const std::string said = program.finish().errors;
  EXPECT_EQ(said, "egress: no policy: cannot reach the agent at " + (directory_.path() / "agent.sock").string() +
                      " (No such file or directory); cannot start the agent /nonexistent/egress (No such file or "
                      "directory); run \"egress status\", or set EGRESS_ON_UNAVAILABLE=allow to run without "
                      "enforcement\n");
}

TEST_F(UnavailableTest, PassesWithoutAgentWhereThatWasChosen) {
  PreloadedProcess program("commands", {}, environment("allow"));
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.ask(send()), "ok");
  EXPECT_EQ(listener_.accepted(), 1);
  EXPECT_EQ(program.finish().errors, "");
}

TEST_F(UnavailableTest, ProgramsThatNeedNoPolicyNeverAskForOne) {
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask("unix"), "ENOENT");
  EXPECT_EQ(program.ask("resolve 127.0.0.1 0 0"), "0 127.0.0.1");
  const ProcessEnd end = program.finish();
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.errors, "");
}

TEST_F(UnavailableTest, TellsWhyTheAgentHasNoPolicy) {
  FakeAgent agent(directory_.path());
  agent.publish(link_no_policy(NoPolicyCause::kUnavailable, {}));
  agent.script_hello({.no_policy = NoPolicyCause::kUnavailable, .text = "the server at http://x cannot be reached"});
  {
    PreloadedProcess program("commands", {}, environment());
    EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
    EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
    EXPECT_EQ(program.finish().errors,
              "egress: no policy: the server at http://x cannot be reached; run \"egress status\", or set "
              "EGRESS_ON_UNAVAILABLE=allow to run without enforcement\n");
  }
  PreloadedProcess program("commands", {}, environment("allow"));
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.finish().errors, "");
}

TEST_F(UnavailableTest, AnUnknownNamespaceDeniesWhateverWasChosen) {
  FakeAgent agent(directory_.path());
  agent.publish(link_no_policy(NoPolicyCause::kNamespaceUnknown, {}));
  agent.script_hello({.no_policy = NoPolicyCause::kNamespaceUnknown, .text = "namespace \"x\" does not exist"});
  PreloadedProcess program("commands", {}, environment("allow"));
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  EXPECT_EQ(program.finish().errors, "egress: no policy: namespace \"x\" does not exist; run \"egress status\"\n");
}

TEST_F(UnavailableTest, PolicyThatArrivesLaterReachesTheRunningProgram) {
  FakeAgent agent(directory_.path());
  agent.publish(link_no_policy(NoPolicyCause::kUnavailable, {}));
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  agent.publish(allow());
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.finish().errors,
            "egress: no policy: the agent has none for this workload; run \"egress status\", or set "
            "EGRESS_ON_UNAVAILABLE=allow to run without enforcement\n");
}

TEST_F(UnavailableTest, AProgramOutOfDescriptorsBeforeItsFirstCallFailsClosed) {
  FakeAgent agent(directory_.path());
  agent.publish(allow());
  PreloadedProcess program("commands", {}, environment());
  ASSERT_EQ(program.ask("exhaust"), "1");
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  EXPECT_NE(program.finish().errors.find("Too many open files"), std::string::npos);
}

TEST_F(UnavailableTest, FollowsToTheArenaOfANewAgent) {
  FakeAgent agent(directory_.path());
  agent.publish(allow());
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(connect()), "ok");
  agent.lose_arena(FakeAgent::kFarFuture);
  agent.begin_arena(allow_only({}), 1);
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  EXPECT_EQ(program.ask("mappings"), "2") << "the old arena stays mapped: another thread may be reading it";
  EXPECT_EQ(agent.hellos(), 2u);
}

TEST_F(UnavailableTest, HoldsTheLastPolicyOfALostAgentWhileItIsValid) {
  auto agent = std::make_unique<FakeAgent>(directory_.path());
  agent->publish(allow());
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(connect()), "ok");
  agent.reset();
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.ask("connect 127.0.0.1 1"), "ECONNREFUSED");
  EXPECT_EQ(program.finish().errors, "");
}

TEST_F(UnavailableTest, DeniesOnceTheLastPolicyOfALostAgentHasRunOut) {
  auto agent = std::make_unique<FakeAgent>(directory_.path());
  agent->publish(allow(), 1);
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(connect()), "ok");
  agent.reset();
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  EXPECT_EQ(program.finish().errors.find("egress: no policy: "), 0u);
}

}  // namespace
}  // namespace egress
