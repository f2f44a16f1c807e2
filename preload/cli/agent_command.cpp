// egress agent: the machine's (or the user's) agent, in the foreground or as a daemon.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "preload/agent/agent.h"
#include "preload/agent/daemon.h"
#include "preload/agent/instance_lock.h"
#include "preload/agent/log.h"
#include "preload/agent/settings.h"
#include "preload/cli/commands.h"

namespace egress {
namespace {

constexpr auto kWinnerPatience = std::chrono::milliseconds(10'000);

struct AgentOptions {
  bool foreground = false;
  int ready_fd = -1;
  std::int64_t idle_exit_s = kDefaultIdleExitS;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "egress agent: %s\n", why.c_str());
  return 1;
}

// An agent under its own library would wait for itself: it starts over without. The descriptor stays open across that.
bool is_preloaded() {
  const char* preloaded = std::getenv("LD_PRELOAD");
  return preloaded != nullptr && std::string_view(preloaded).find("libegress") != std::string_view::npos;
}

int start_over(const AgentOptions& options) {
  std::vector<std::string> arguments = {"egress", "agent", "--idle-exit", std::to_string(options.idle_exit_s)};
  if (options.foreground) arguments.push_back("--foreground");
  if (options.ready_fd >= 0) arguments.insert(arguments.end(), {"--ready-fd", std::to_string(options.ready_fd)});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::unsetenv("LD_PRELOAD");
  ::execv("/proc/self/exe", pointers.data());
  return refuse(std::string("cannot start over without LD_PRELOAD: ") + std::strerror(errno));
}

int run_agent(const AgentOptions& options) {
  if (is_preloaded()) return start_over(options);
  if (options.ready_fd >= 0 && ::fcntl(options.ready_fd, F_SETFD, FD_CLOEXEC) != 0) {
    return refuse("--ready-fd " + std::to_string(options.ready_fd) + " is not an open descriptor");
  }
  auto settings = load_settings(read_environment, ::geteuid());
  if (!settings) return refuse(settings.error().message);
  settings->idle_exit_s = options.idle_exit_s;
  const mode_t runtime_mode = settings->shared ? 0755 : 0700;
  if (auto made = prepare_directory(settings->runtime_dir, runtime_mode, ::geteuid()); !made) {
    return refuse(made.error().message);
  }
  if (auto made = prepare_directory(settings->state_dir, 0700, ::geteuid()); !made) return refuse(made.error().message);

  UniqueFd starter;
  if (!options.foreground) {
    auto ready = become_daemon(options.ready_fd);
    if (!ready) return refuse(ready.error().message);
    starter = std::move(*ready);
  }
  UniqueFd ready_fd(options.ready_fd);
  std::signal(SIGPIPE, SIG_IGN);

  auto lock = InstanceLock::acquire_or_await_winner(settings->runtime_dir, settings->socket_path(), kWinnerPatience);
  if (!lock) return refuse(lock.error().message);
  if (!lock->has_value()) {
    announce_ready(std::move(ready_fd));
    announce_ready(std::move(starter));
    if (options.foreground)
      std::fprintf(stderr, "egress agent: one already runs at %s\n", settings->socket_path().c_str());
    return 0;
  }
  const bool to_stderr = options.foreground && (::isatty(STDERR_FILENO) == 1 || !settings->log_level.empty());
  if (auto opened = open_log(*settings, to_stderr); !opened) return refuse(opened.error().message);
  const SystemClock clock;
  auto agent = Agent::create(*settings, clock);
  if (!agent) return refuse(agent.error().message);
  if (!options.foreground) {
    if (auto detached = detach_streams(); !detached) return refuse(detached.error().message);
  }
  announce_ready(std::move(ready_fd));
  announce_ready(std::move(starter));
  (*agent)->run();
  return 0;
}

constexpr char kHelp[] = R"(Keeps policy for the workloads of this user (or, as root in /run/egress, of the machine).
Started on demand by `egress exec` and by the library; a second one uses the first.

Examples:
  egress agent                              start in the background, return when it is ready
  egress agent --foreground --idle-exit 0   stay, with the log on the terminal

Directories: EGRESS_RUNTIME_DIR (socket; default $XDG_RUNTIME_DIR/egress or /run/egress),
EGRESS_STATE_DIR (bundles, pinned keys, log; default ~/.local/state/egress, /var/lib/egress
for root).

Exit status: 0 ready (or, in the foreground, ended on request), 1 it could not start, 2 usage.)";

}  // namespace

void add_agent_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<AgentOptions>();
  CLI::App* agent = app.add_subcommand("agent", "keep policy for the workloads of this user or machine");
  agent->footer(kHelp);
  agent->add_flag("--foreground", options->foreground, "stay in the foreground");
  agent->add_option("--ready-fd", options->ready_fd, "write one byte to this descriptor once the socket accepts")
      ->check(CLI::Range(3, 1 << 20));
  agent->add_option("--idle-exit", options->idle_exit_s, "end after so many seconds without workloads; 0: never")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{31'536'000}))
      ->capture_default_str();
  agent->callback([options, &action] { action = [options] { return run_agent(*options); }; });
}

}  // namespace egress
