// egress exec: a command under the policy.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "preload/agent/policy_file.h"
#include "preload/agent/resolve_overrides.h"
#include "preload/agent/settings.h"
#include "preload/cli/commands.h"
#include "preload/cli/manifest_text.h"
#include "preload/cli/option_checks.h"
#include "preload/cli/token_file.h"
#include "preload/launcher/launch.h"

namespace egress {
namespace {

struct ExecOptions {
  std::string namespace_path;
  std::string workload;
  std::string server;
  std::string labels;
  std::string target;
  std::string resolve;
  std::string policy;
  std::string token_file;
  std::string level = "preload";
  bool shadow = false;
  bool verbose = false;
};

std::string check_level(const std::string& level) {
  if (level == "preload") return {};
  if (level == "hybrid" || level == "strict") {
    return "level " + level + ": this build enforces at level preload only (library functions, not raw system calls)";
  }
  return "level \"" + level + "\": expected preload";
}

int refuse(const std::string& why) {
  std::fprintf(stderr, "egress exec: %s\n", why.c_str());
  return kExitLaunchFailed;
}

// The file, checked; what is wrong with it is on stderr otherwise.
Expected<LaunchPolicy> load_policy(const ExecOptions& options) {
  LaunchPolicy policy;
  policy.shadow = options.shadow;
  policy.namespace_path = options.namespace_path;
  if (policy.namespace_path.empty()) {
    policy.namespace_path = read_environment("EGRESS_NAMESPACE").value_or(std::string(kDefaultNamespace));
  }
  if (auto checked = parse_namespace_path(policy.namespace_path); !checked) return tl::unexpected(checked.error());
  const auto manifest = load_manifest_text(options.policy, kMaxPolicyFileBytes);
  if (!manifest) return tl::unexpected(manifest.error());
  const PolicyFile file = parse_policy_file(manifest->text, policy.namespace_path);
  std::fputs(render_warnings(file.warnings, *manifest).c_str(), stderr);
  std::fputs(render_problems(file.problems, *manifest).c_str(), stderr);
  if (!file.problems.empty()) {
    return fail(ErrorCode::kInvalidArgument, manifest->name + " is no valid policy: the command was not started");
  }
  policy.text = manifest->text;
  return policy;
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
  if (!options.token_file.empty()) {
    auto token = load_token_file(options.token_file);
    if (!token) return refuse("--token-file " + token.error().message);
    request.token = std::move(*token);
  }
  if (!options.policy.empty()) {
    auto policy = load_policy(options);
    if (!policy) return refuse(policy.error().message);
    request.policy = std::move(*policy);
  }
  request.progress = options.verbose || ::isatty(STDERR_FILENO) == 1;
  return launch(request);
}

constexpr char kHelp[] = R"(Runs a command under the egress policy. Its stdio, signals and exit status are its own.

Examples:
  egress exec -- curl https://api.stripe.com/
  egress exec -n prod/payments -w checkout -- ./server --port 8080
  egress exec --token-file /run/secrets/egress -- ./server
  egress exec --policy policy.yaml -- npm test
  egress exec --resolve 'api.test=127.0.0.1' -- curl http://api.test:8000/

With --policy no server is asked: the file's documents are the whole policy. What they do not
say is allowed if they are mirrord policies alone, else denied; a Namespace document "/" may set
default_action, mode, loopback and lookups. Documents that name no namespace belong to the
command's.

Who the command is, is settled before it starts: it and all it starts stay in that session,
whatever becomes of EGRESS_* in between; an egress exec inside another keeps the outer one's.
A token says who it is by itself; the command's environment does not get it.

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
      ->check(check_namespace);
  exec->add_option("-w,--workload", options->workload, "workload name (EGRESS_WORKLOAD)");
  CLI::Option* policy = exec->add_option("--policy", options->policy, "policy file, instead of a server's policy");
  exec->add_flag("--shadow", options->shadow, "with --policy: record what it denies, and let it pass")->needs(policy);
  exec->add_option("--server", options->server, "server URL (EGRESS_SERVER; default http://127.0.0.1:8443)")
      ->check(check_server)
      ->excludes(policy);
  exec->add_option("--token-file", options->token_file, "file with the workload's token (EGRESS_TOKEN)")
      ->excludes(policy);
  exec->add_option("--labels", options->labels, "labels, k=v,k=v (EGRESS_LABELS)")->check(check_labels);
  exec->add_option("--target", options->target, "mirrord target path (EGRESS_TARGET)");
  exec->add_option("--resolve", options->resolve, "answers for lookups, name=addr[,addr];... (EGRESS_RESOLVE)")
      ->check([](const std::string& text) { return refusal_of(ResolveOverrides::parse(text)); });
  exec->add_option("--level", options->level, "enforcement level: preload")->check(check_level);
  exec->add_flag("-v,--verbose", options->verbose, "say what is in force even if stderr is no terminal");
  exec->callback([options, &action, command] { action = [options, command] { return run_exec(*options, command); }; });
}

}  // namespace egress
