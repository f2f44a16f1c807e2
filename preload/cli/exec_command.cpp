// egress exec: a command under the policy.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "preload/agent/resolve_overrides.h"
#include "preload/agent/server_url.h"
#include "preload/cli/commands.h"
#include "preload/launcher/launch.h"
#include "shared/policy/namespace_path.h"
#include "shared/policy/workload.h"

namespace egress {
namespace {

struct ExecOptions {
  std::string namespace_path;
  std::string workload;
  std::string server;
  std::string labels;
  std::string target;
  std::string resolve;
  std::string level = "preload";
  bool verbose = false;
};

template <typename Parsed>
std::string message_of(const Expected<Parsed>& parsed) {
  return parsed ? std::string() : parsed.error().message;
}

std::string check_level(const std::string& level) {
  if (level == "preload") return {};
  if (level == "hybrid" || level == "strict") {
    return "level " + level + ": this build enforces at level preload only (library functions, not raw system calls)";
  }
  return "level \"" + level + "\": expected preload";
}

int run_exec(const ExecOptions& options, const std::vector<std::string>& command) {
  if (command.empty()) {
    std::fprintf(stderr, "egress exec: no command: expected -- and the command, as in egress exec -- curl URL\n");
    return kExitUsage;
  }
  LaunchRequest request;
  request.command = command;
  request.settings = {{"EGRESS_SERVER", options.server},     {"EGRESS_NAMESPACE", options.namespace_path},
                      {"EGRESS_WORKLOAD", options.workload}, {"EGRESS_LABELS", options.labels},
                      {"EGRESS_TARGET", options.target},     {"EGRESS_RESOLVE", options.resolve}};
  request.progress = options.verbose || ::isatty(STDERR_FILENO) == 1;
  return launch(request);
}

constexpr char kHelp[] = R"(Runs a command under the egress policy. Its stdio, signals and exit status are its own.

Examples:
  egress exec -- curl https://api.stripe.com/
  egress exec -n prod/payments -w checkout -- ./server --port 8080
  egress exec --resolve 'api.test=127.0.0.1' -- curl http://api.test:8000/

Level preload sees what goes through the C library. It is advisory: static binaries, inline
system calls and programs that clear LD_PRELOAD are not covered.

Exit status: the command's own; 2 usage, 125 egress could not start it, 126 the command is
not executable, 127 the command was not found.)";

}  // namespace

void add_exec_command(CLI::App& app, CommandAction& action, const std::vector<std::string>& command) {
  auto options = std::make_shared<ExecOptions>();
  CLI::App* exec =
      app.add_subcommand("exec", "run a command under the policy: egress exec [OPTIONS] -- COMMAND [ARGUMENTS]");
  exec->footer(kHelp);
  exec->add_option("-n,--namespace", options->namespace_path, "fleet namespace (EGRESS_NAMESPACE; default \"default\")")
      ->check([](const std::string& text) { return message_of(parse_namespace_path(text)); });
  exec->add_option("-w,--workload", options->workload, "workload name (EGRESS_WORKLOAD)");
  exec->add_option("--server", options->server, "server URL (EGRESS_SERVER; default http://127.0.0.1:8443)")
      ->check([](const std::string& text) { return message_of(parse_server_url(text)); });
  exec->add_option("--labels", options->labels, "labels, k=v,k=v (EGRESS_LABELS)")->check([](const std::string& text) {
    return message_of(parse_labels(text));
  });
  exec->add_option("--target", options->target, "mirrord target path (EGRESS_TARGET)");
  exec->add_option("--resolve", options->resolve, "answers for lookups, name=addr[,addr];... (EGRESS_RESOLVE)")
      ->check([](const std::string& text) { return message_of(ResolveOverrides::parse(text)); });
  exec->add_option("--level", options->level, "enforcement level: preload")->check(check_level);
  exec->add_flag("-v,--verbose", options->verbose, "say what is in force even if stderr is no terminal");
  exec->callback([options, &action, command] { action = [options, command] { return run_exec(*options, command); }; });
}

}  // namespace egress
