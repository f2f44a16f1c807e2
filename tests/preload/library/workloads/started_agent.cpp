// The program that a workload's library starts in place of the agent: notes how it was started in <runtime>/facts, then
// serves as a fake agent that allows loopback, until SIGTERM or, should its test die, SIGALRM.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/policies.h"

namespace {

std::string list_descriptors() {
  std::string text;
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || name == std::to_string(::dirfd(directory))) continue;
    text += (text.empty() ? "" : " ") + name;
  }
  ::closedir(directory);
  return text;
}

bool has_default_signals() {
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, nullptr, &mask);
  for (int signal = 1; signal < 32; ++signal) {
    struct sigaction action {};  // a sanitizer's own handlers are not what was inherited
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return false;
    if (sigismember(&mask, signal) == 1) return false;
  }
  return true;
}

void write_facts(const std::string& path, int argc, char** argv) {
  const std::string descriptors = list_descriptors();
  std::ofstream facts(path + ".new");
  facts << "pid=" << ::getpid() << "\narguments=";
  for (int i = 1; i < argc; ++i) facts << (i > 1 ? " " : "") << argv[i];
  facts << "\ndescriptors=" << descriptors << "\npreload=" << (std::getenv("LD_PRELOAD") != nullptr)
        << "\nsession_differs=" << (::getsid(0) != std::atoi(std::getenv("TEST_SESSION")))
        << "\nleads_session=" << (::getsid(0) == ::getpid()) << "\nsignals_default=" << has_default_signals() << "\n";
  facts.close();
  std::rename((path + ".new").c_str(), path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(60);
  const std::string runtime = std::getenv("EGRESS_RUNTIME_DIR");
  write_facts(runtime + "/facts", argc, argv);
  const char* mode = std::getenv("TEST_AGENT");
  if (mode != nullptr && std::strcmp(mode, "dies") == 0) return 1;
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &end, nullptr);
  egress::FakeAgent agent(runtime,
                          egress::allow_only({{.cidr = "127.0.0.1/32", .port = 0, .transport = std::nullopt}}));
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--ready-fd") != 0) continue;
    const int ready = std::atoi(argv[i + 1]);
    if (::write(ready, "r", 1) != 1) return 2;
    ::close(ready);
  }
  int signal = 0;
  ::sigwait(&end, &signal);
  return 0;
}
