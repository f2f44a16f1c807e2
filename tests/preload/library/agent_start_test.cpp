// A bare preload that finds no agent starts one, and the program does not notice.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>

#include "shared/base/unique_fd.h"
#include "tests/preload/library/listeners.h"
#include "tests/preload/library/preloaded_process.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

class AgentStartTest : public testing::Test {
 protected:
  void TearDown() override {
    const auto facts = read_facts();
    const auto pid = facts.find("pid");
    if (pid == facts.end()) return;
    // Not our child: its end is told by a pidfd.
    const UniqueFd agent(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(pid->second), 0)));
    if (!agent) return;
    ::syscall(SYS_pidfd_send_signal, agent.get(), SIGTERM, nullptr, 0);
    pollfd ended{agent.get(), POLLIN, 0};
    ::poll(&ended, 1, -1);
  }
  PreloadedProcess::Environment environment() const {
    return {{"EGRESS_RUNTIME_DIR", directory_.path().string()},
            {"EGRESS_AGENT", PreloadedProcess::program_path("started_agent")},
            {"TEST_SESSION", std::to_string(::getsid(0))}};
  }
  std::map<std::string, std::string> read_facts() const {
    std::map<std::string, std::string> facts;
    std::ifstream file(directory_.path() / "facts");
    for (std::string line; std::getline(file, line);)
      facts[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    return facts;
  }
  std::string connect() const { return "connect 127.0.0.1 " + std::to_string(listener_.port()); }

  TemporaryDirectory directory_;
  TcpListener listener_;
};

TEST_F(AgentStartTest, TheFirstCallStartsTheAgentAndGoesThrough) {
  PreloadedProcess program("commands", {}, environment());
  const std::string descriptors = program.ask("descriptors");
  ASSERT_EQ(program.ask("oddsignals"), "ok");
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.ask("descriptors"), descriptors);
  EXPECT_EQ(program.ask("children"), "ECHILD 0") << "no child to wait for, no SIGCHLD";
  EXPECT_EQ(program.finish().errors, "");
  auto facts = read_facts();
  EXPECT_EQ(facts["arguments"], "agent --foreground --ready-fd 3 --idle-exit 60");
  EXPECT_EQ(facts["descriptors"], "0 1 2 3");
  EXPECT_EQ(facts["preload"], "0");
  EXPECT_EQ(facts["session_differs"], "1");
  EXPECT_EQ(facts["leads_session"], "0") << "it can never gain a terminal";
  EXPECT_EQ(facts["signals_default"], "1");
}

TEST_F(AgentStartTest, RacingThreadsStartOneAgentAndAllGoThrough) {
  PreloadedProcess program("threads", {std::to_string(listener_.port())}, environment());
  EXPECT_EQ(program.read_line(), "16 1");
  EXPECT_EQ(program.finish().errors, "");
}

TEST_F(AgentStartTest, AnAgentThatEndsAtOnceIsReported) {
  auto variables = environment();
  variables["TEST_AGENT"] = "dies";
  PreloadedProcess program("commands", {}, variables);
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  const std::string said = program.finish().errors;
  EXPECT_NE(said.find("ended at once"), std::string::npos) << said;
}

TEST_F(AgentStartTest, TheAgentIsSoughtBesideTheLibrary) {
  // build/x/lib/libegress.so and build/x/bin/egress, in a tree of the test's own.
  namespace fs = std::filesystem;
  fs::create_directories(directory_.path() / "tree/lib");
  fs::create_directories(directory_.path() / "tree/bin");
  fs::copy_file(PreloadedProcess::library_path(), directory_.path() / "tree/lib/libegress.so");
  fs::create_symlink(PreloadedProcess::program_path("started_agent"), directory_.path() / "tree/bin/egress");
  auto variables = environment();
  variables.erase("EGRESS_AGENT");
  variables["LD_PRELOAD"] = (directory_.path() / "tree/lib/libegress.so").string();
  PreloadedProcess program("commands", {}, variables);
  EXPECT_EQ(program.ask(connect()), "ok");
  EXPECT_EQ(program.finish().errors, "");
}

TEST_F(AgentStartTest, NoAgentIsStartedFromAVforkChild) {
  PreloadedProcess program("everywhere", {"vfork", std::to_string(listener_.port()), "1"}, environment());
  const ProcessEnd end = program.finish();
  EXPECT_NE(end.errors.find("cannot be started from a vfork child"), std::string::npos) << end.errors;
  EXPECT_TRUE(read_facts().empty());
}

TEST_F(AgentStartTest, NoAgentIsStartedWithAllSignalsBlocked) {
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask("blocksignals"), "ok");
  EXPECT_EQ(program.ask(connect()), "ECONNREFUSED");
  const std::string said = program.finish().errors;
  EXPECT_NE(said.find("while all signals are blocked"), std::string::npos) << said;
  EXPECT_TRUE(read_facts().empty());
}

}  // namespace
}  // namespace egress
