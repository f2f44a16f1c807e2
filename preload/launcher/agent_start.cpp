#include "preload/launcher/agent_start.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "preload/agent/instance_lock.h"
#include "shared/base/unique_fd.h"

extern char** environ;

namespace egress {
namespace {

constexpr int kReadyWaitMs = 10'000;
constexpr int kReadyFd = 3;

// What must not pass from one workload's environment into the agent of all.
constexpr std::array<std::string_view, 11> kNotForTheAgent = {
    "LD_PRELOAD=",     "EGRESS_SERVER=",     "EGRESS_NAMESPACE=", "EGRESS_WORKLOAD=",
    "EGRESS_LABELS=",  "EGRESS_TARGET=",     "EGRESS_TOKEN=",     "EGRESS_ADMIN_TOKEN=",
    "EGRESS_RESOLVE=", "EGRESS_BUNDLE_KEY=", "EGRESS_CA="};

std::vector<char*> clean_environment() {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    bool keep = true;
    for (const std::string_view prefix : kNotForTheAgent)
      keep = keep && !std::string_view(*variable).starts_with(prefix);
    if (keep) variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  return variables;
}

}  // namespace

Expected<std::filesystem::path> find_program() {
  std::error_code error;
  auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(ErrorCode::kUnavailable, "cannot find the running program: " + error.message());
  return program;
}

Expected<void> ensure_agent(const AgentSettings& settings, const std::filesystem::path& program) {
  if (is_accepting(settings.socket_path())) return {};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(ErrorCode::kUnavailable, std::strerror(errno));
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // dup2 onto itself would keep close-on-exec; glibc clears it for equal numbers (posix_spawn(3)).
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), kReadyFd);
  std::string path = program.string();
  std::string ready_fd = std::to_string(kReadyFd);
  char agent[] = "agent";
  char ready_option[] = "--ready-fd";
  char* arguments[] = {path.data(), agent, ready_option, ready_fd.data(), nullptr};
  const auto variables = clean_environment();
  pid_t child = 0;
  const int error = ::posix_spawn(&child, path.c_str(), &actions, nullptr, arguments, variables.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(ErrorCode::kUnavailable, "cannot start the agent \"" + path + "\": " + std::strerror(error));
  }
  write_end.reset();
  pollfd ready{read_end.get(), POLLIN, 0};
  int polled = 0;
  do {
    polled = ::poll(&ready, 1, kReadyWaitMs);
  } while (polled < 0 && errno == EINTR);
  char byte = 0;
  const bool announced = polled > 0 && ::read(read_end.get(), &byte, 1) == 1;
  while (::waitpid(child, nullptr, announced || polled > 0 ? 0 : WNOHANG) < 0 && errno == EINTR) {
  }
  if (announced) return {};
  return fail(ErrorCode::kUnavailable, "the agent did not start: run \"" + path + " agent --foreground\" to see why");
}

}  // namespace egress
