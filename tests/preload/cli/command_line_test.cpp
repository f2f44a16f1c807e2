// The program itself: exit statuses, the agent's start and single instance, and that exec is transparent.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "preload/agent/instance_lock.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(directory.path() / "home"); }

  // Ends the agent that a test started, by the pid that it tells.
  void TearDown() override {
    const Outcome outcome = run({"status", "--json"});
    if (outcome.status == 3) return;
    const pid_t agent = nlohmann::json::parse(outcome.out)["agent"]["pid"].get<pid_t>();
    ::kill(agent, SIGTERM);
    while (is_accepting(socket_path())) ::usleep(1000);
  }

  std::filesystem::path socket_path() const { return directory.path() / "run" / "agent.sock"; }

  Outcome run(std::vector<std::string> arguments, const std::string& input = {}) {
    const auto out = directory.path() / "out";
    const auto err = directory.path() / "err";
    const auto in = directory.path() / "in";
    std::ofstream(in) << input;
    const pid_t child = ::fork();
    if (child == 0) {
      become(std::move(arguments), in, out, err);
      ::_exit(99);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(out), read(err)};
  }

  void become(std::vector<std::string> arguments, const std::string& in, const std::string& out,
              const std::string& err) {
    ::setenv("EGRESS_RUNTIME_DIR", (directory.path() / "run").c_str(), 1);
    ::setenv("EGRESS_STATE_DIR", (directory.path() / "state").c_str(), 1);
    ::setenv("HOME", (directory.path() / "home").c_str(), 1);
    ::setenv("EGRESS_SERVER", "http://127.0.0.1:1", 1);
    ::setenv("EGRESS_LIBRARY", find_c_library().c_str(), 1);
    ::unsetenv("EGRESS_LOG");
    ::dup2(::open(in.c_str(), O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
    arguments.insert(arguments.begin(), EGRESS_PROGRAM);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::execv(EGRESS_PROGRAM, pointers.data());
  }

  // Any shared object will do: what is preloaded is not what these tests are about.
  static std::string find_c_library() {
    Dl_info found{};
    EXPECT_NE(::dladdr(reinterpret_cast<void*>(&::getppid), &found), 0);
    return std::filesystem::canonical(found.dli_fname).string();
  }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDirectory directory;
};

TEST_F(CommandLineTest, UsageErrorsAre2AndSayWhatWasExpected) {
  EXPECT_EQ(run({}).status, 2);
  EXPECT_EQ(run({"nonsense"}).status, 2);
  EXPECT_EQ(run({"exec"}).status, 2);
  EXPECT_EQ(run({"exec", "--"}).status, 2);
  EXPECT_EQ(run({"exec", "true"}).status, 2);
  EXPECT_EQ(run({"status", "--", "true"}).status, 2);
  EXPECT_EQ(run({"exec", "-n", "A b", "--", "true"}).status, 2);
  EXPECT_EQ(run({"exec", "--resolve", "x", "--", "true"}).status, 2);
  EXPECT_EQ(run({"agent", "--idle-exit", "-1"}).status, 2);
  EXPECT_EQ(run({"exec", "--shadow", "--", "true"}).status, 2);
  EXPECT_EQ(run({"exec", "--policy", "p", "--server", "http://127.0.0.1:1", "--", "true"}).status, 2);
  EXPECT_EQ(run({"explain"}).status, 2);
  EXPECT_EQ(run({"explain", "no-port.example"}).status, 2);
  EXPECT_EQ(run({"explain", "--ip", "127.0.0.1", "10.0.0.1:1"}).status, 2);
  EXPECT_EQ(run({"explain", "--policy", "p", "--server", "http://127.0.0.1:1", "a.example:1"}).status, 2);
  EXPECT_EQ(run({"apply"}).status, 2);
  EXPECT_EQ(run({"apply", "-f", "p", "--server", "nonsense"}).status, 2);
  EXPECT_EQ(run({"export", "-n", "A b"}).status, 2);
  EXPECT_EQ(run({"test"}).status, 2);
  for (const char* level : {"hybrid", "strict"}) {
    const Outcome outcome = run({"exec", "--level", level, "--", "true"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("level preload only"), std::string::npos) << outcome.err;
  }
}

TEST_F(CommandLineTest, HelpHasExamplesAndExitStatuses) {
  for (const char* command : {"exec", "agent", "status", "explain", "apply", "export", "test"}) {
    const Outcome outcome = run({command, "-h"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << command;
    EXPECT_NE(outcome.out.find("Exit status:"), std::string::npos) << command;
  }
}

TEST_F(CommandLineTest, StatusWithoutAnAgentIs3) {
  const Outcome outcome = run({"status"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_NE(outcome.err.find("no agent runs"), std::string::npos);
}

TEST_F(CommandLineTest, TheAgentStartsInTheBackgroundOnceAndOnly) {
  EXPECT_EQ(run({"agent"}).status, 0);
  EXPECT_TRUE(is_accepting(socket_path())) << "ready when it returns";
  const auto first = nlohmann::json::parse(run({"status", "--json"}).out);
  EXPECT_EQ(run({"agent"}).status, 0);
  EXPECT_EQ(run({"agent", "--foreground"}).status, 0);
  const auto second = nlohmann::json::parse(run({"status", "--json"}).out);
  EXPECT_EQ(first["agent"]["pid"], second["agent"]["pid"]);
  EXPECT_NE(first["agent"]["pid"], ::getpid());
}

TEST_F(CommandLineTest, AgentsStartedAtOnceLeaveOne) {
  std::array<pid_t, 4> starters{};
  for (pid_t& starter : starters) {
    starter = ::fork();
    if (starter == 0) {
      become({"agent"}, "/dev/null", "/dev/null", "/dev/null");
      ::_exit(99);
    }
  }
  for (const pid_t starter : starters) {
    int status = 0;
    ASSERT_EQ(::waitpid(starter, &status, 0), starter);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(run({"status"}).status, 0);
}

TEST_F(CommandLineTest, AnAgentReplacesAStaleSocket) {
  std::filesystem::create_directories(directory.path() / "run");
  std::ofstream(socket_path()) << "";
  EXPECT_EQ(run({"agent"}).status, 0);
  EXPECT_EQ(run({"status"}).status, 0);
}

TEST_F(CommandLineTest, AnAgentThatCannotStartSaysWhy) {
  std::ofstream(directory.path() / "state") << "a file where the directory belongs";
  const Outcome outcome = run({"agent"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("state"), std::string::npos) << outcome.err;
}

TEST_F(CommandLineTest, ExecIsTransparent) {
  const Outcome outcome = run({"exec", "--", "sh", "-c", "cat; echo err >&2; exit 7"}, "through stdin\n");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(outcome.out, "through stdin\n");
  EXPECT_EQ(outcome.err, "err\n");
  EXPECT_EQ(run({"exec", "--", "sh", "-c", "kill -USR1 $$"}).status, 128 + SIGUSR1);
}

TEST_F(CommandLineTest, ExecPassesEveryArgumentUnchanged) {
  const Outcome outcome = run({"exec", "--", "sh", "-c", "printf '<%s>' \"$@\"", "sh", "[1,2]", "", "{}", "%%", "--",
                               "-v", "[]", "++", "\"q\"", "a b"});
  EXPECT_EQ(outcome.out, "<[1,2]><><{}><%%><--><-v><[]><++><\"q\"><a b>");
}

TEST_F(CommandLineTest, ExecSetsTheSessionAndStartsAnAgent) {
  const Outcome outcome =
      run({"exec", "-n", "prod/payments", "-w", "shop", "--labels", "a=b", "--resolve", "x.example=127.0.0.1", "--",
           "sh", "-c", "echo $EGRESS_NAMESPACE $EGRESS_WORKLOAD $EGRESS_LABELS $EGRESS_RESOLVE $LD_PRELOAD"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.substr(0, outcome.out.find(" /")), "prod/payments shop a=b x.example=127.0.0.1");
  EXPECT_NE(outcome.out.find("libc"), std::string::npos);
  EXPECT_EQ(run({"status"}).status, 0);
}

TEST_F(CommandLineTest, ExecTellsWhatIsInForceWhenAsked) {
  const Outcome outcome = run({"exec", "--verbose", "-n", "demo", "--", "true"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("level preload"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("namespace demo: no policy"), std::string::npos) << outcome.err;
}

TEST_F(CommandLineTest, ExecOfWhatCannotRun) {
  EXPECT_EQ(run({"exec", "--", "no-such-command"}).status, 127);
  const auto data = directory.path() / "data";
  std::ofstream(data) << "text";
  EXPECT_EQ(run({"exec", "--", data.string()}).status, 126);
}

}  // namespace
}  // namespace egress
