#include "preload/library/hello.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

#include "preload/library/clock.h"
#include "preload/library/state.h"
#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

class HelloTest : public testing::Test {
 protected:
  HelloResult hello(std::int64_t budget_ms = 5000) {
    std::vector<char*> pointers;
    for (std::string& text : variables_) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    const std::string path = (directory_.path() / kAgentSocketName).string();
    const HelloResult result = say_hello(path.c_str(), pointers.data(), monotonic_ms() + budget_ms, why_);
    if (result.session != nullptr) unmap_session(result.session);
    return result;
  }

  TemporaryDirectory directory_;
  std::vector<std::string> variables_;
  StackLine<1024> why_;
};

TEST_F(HelloTest, SendsTheEnvironmentAndMapsWhatItIsGiven) {
  FakeAgent agent(directory_.path());
  agent.publish(allow_only({}));
  variables_ = {"EGRESS_NAMESPACE=demo", "EGRESS_CA=/ca.pem", "OTHER=x", "EGRESS_LABELS="};
  const HelloResult result = hello();
  EXPECT_EQ(result.outcome, AgentOutcome::kReplied);
  EXPECT_NE(result.session, nullptr);
  EXPECT_EQ(result.no_policy, NoPolicyCause::kNone);
  const auto fields = agent.hello_fields();
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields[0], (std::vector<std::string>{"", "demo", "", "", "", "", "", "", "/ca.pem"}));
}

TEST_F(HelloTest, TellsWhyThereIsNoPolicy) {
  FakeAgent agent(directory_.path());
  agent.script_hello({.no_policy = NoPolicyCause::kNamespaceUnknown, .text = "namespace \"x\" does not exist\n"});
  const HelloResult result = hello();
  EXPECT_NE(result.session, nullptr);
  EXPECT_EQ(result.no_policy, NoPolicyCause::kNamespaceUnknown);
  EXPECT_STREQ(why_.text(), "namespace \"x\" does not exist?");
}

TEST_F(HelloTest, TellsAnAbsentAgentFromAFailingOne) {
  EXPECT_EQ(hello().outcome, AgentOutcome::kAbsent);
  EXPECT_NE(std::strstr(why_.text(), "No such file or directory"), nullptr) << why_.text();
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (directory_.path() / kAgentSocketName).c_str());
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_EQ(hello().outcome, AgentOutcome::kAbsent) << "a socket file that nobody listens on";
}

TEST_F(HelloTest, RefusesAnswersItCannotUse) {
  FakeAgent agent(directory_.path());
  agent.script_hello({.status = ReplyStatus::kRefused, .text = "too many sessions"});
  EXPECT_EQ(hello().outcome, AgentOutcome::kFailed);
  EXPECT_STREQ(why_.text(), "the agent refused: too many sessions");
  agent.script_hello({.with_descriptors = false});
  EXPECT_EQ(hello().outcome, AgentOutcome::kFailed);
  agent.script_hello({.garbage = true});
  EXPECT_EQ(hello().outcome, AgentOutcome::kFailed);
  EXPECT_NE(std::strstr(why_.text(), "Protocol error"), nullptr) << why_.text();
}

TEST_F(HelloTest, GivesUpOnASilentAgent) {
  FakeAgent agent(directory_.path());
  agent.script_hello({.silent = true});
  EXPECT_EQ(hello(50).outcome, AgentOutcome::kFailed);
  EXPECT_NE(std::strstr(why_.text(), "timed out"), nullptr) << why_.text();
}

TEST_F(HelloTest, RefusesVariablesThatTheProtocolDoesNotCarry) {
  FakeAgent agent(directory_.path());
  variables_ = {"EGRESS_LABELS=" + std::string(kMaxFieldBytes + 1, 'x')};
  EXPECT_EQ(hello().outcome, AgentOutcome::kFailed);
  EXPECT_NE(std::strstr(why_.text(), "too long"), nullptr) << why_.text();
  const std::string large(kMaxFieldBytes, 'x');
  variables_ = {"EGRESS_LABELS=" + large, "EGRESS_TARGET=" + large};
  EXPECT_EQ(hello().outcome, AgentOutcome::kFailed);
  EXPECT_EQ(agent.hellos(), 0u);
}

TEST_F(HelloTest, RefusesAPathThatNoSocketCanHave) {
  const std::string path(200, 'x');
  char* none[] = {nullptr};
  EXPECT_EQ(say_hello(path.c_str(), none, monotonic_ms() + 1000, why_).outcome, AgentOutcome::kFailed);
  EXPECT_NE(std::strstr(why_.text(), "File name too long"), nullptr) << why_.text();
}

}  // namespace
}  // namespace egress
