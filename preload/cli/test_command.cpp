// egress test: a file's PolicyTests against the file's own documents, without a server.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "preload/agent/policy_file.h"
#include "preload/cli/commands.h"
#include "preload/cli/manifest_text.h"
#include "preload/cli/policy_test_run.h"
#include "preload/cli/server_call.h"
#include "preload/cli/terminal.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

constexpr int kExitFailed = 1;

struct TestOptions {
  std::string file;
  bool as_json = false;
};

int complain(const std::string& message) {
  std::fprintf(stderr, "egress test: %s\n", message.c_str());
  return kExitUnavailable;
}

std::string render_json(const PolicyTestRun& run) {
  using nlohmann::ordered_json;
  ordered_json failures = ordered_json::array();
  for (const PolicyTestFailure& failure : run.failures) {
    ordered_json source;  // null: no rule decided
    if (!failure.document.empty()) source = {{"document", failure.document}, {"line", failure.line}};
    failures.push_back({{"test", failure.test},
                        {"destination", failure.destination},
                        {"expected", failure.expected},
                        {"verdict", failure.verdict},
                        {"layer", failure.layer},
                        {"rule", failure.rule},
                        {"source", source}});
  }
  const ordered_json json = {{"tests", run.tests}, {"destinations", run.destinations}, {"failures", failures}};
  return json.dump(2) + "\n";
}

std::string render_text(const PolicyTestRun& run, bool coloured) {
  const Palette palette(coloured);
  std::string out;
  for (const PolicyTestFailure& failure : run.failures) {
    out += palette.bad("FAILED") + " " + palette.bold(failure.test) + ": " + failure.destination + ": expected " +
           failure.expected + ", got " + failure.verdict + " by " + failure.layer + ": " + failure.rule;
    if (!failure.document.empty()) out += " (" + failure.document + ", line " + std::to_string(failure.line) + ")";
    out += "\n";
  }
  out += std::to_string(run.tests) + (run.tests == 1 ? " test, " : " tests, ") + std::to_string(run.destinations) +
         (run.destinations == 1 ? " destination, " : " destinations, ") +
         (run.failures.empty() ? palette.good("all as expected")
                               : palette.bad(std::to_string(run.failures.size()) + " not as expected")) +
         "\n";
  return out;
}

int run_test(const TestOptions& options) {
  const auto manifest = load_manifest_text(options.file, kMaxPolicyFileBytes);
  if (!manifest) return complain(manifest.error().message);
  const PolicyFile file = parse_policy_file(manifest->text, kDefaultNamespace);
  std::fputs(render_warnings(file.warnings, *manifest).c_str(), stderr);
  std::fputs(render_problems(file.problems, *manifest).c_str(), stderr);
  if (!file.problems.empty()) return complain(manifest->name + " is no valid policy");
  const auto run = run_policy_tests(file.documents, SystemClock().now_ms());
  if (!run) return complain(manifest->name + ": " + run.error().message);
  std::fputs((options.as_json ? render_json(*run) : render_text(*run, wants_colour(STDOUT_FILENO))).c_str(), stdout);
  return run->failures.empty() ? 0 : kExitFailed;
}

constexpr char kHelp[] =
    R"(Judges every destination of the file's PolicyTest documents by the file's other documents, as a
workload of the test's namespace without name and labels would be judged. No server is asked.

Examples:
  egress test -f policy.yaml
  egress test -f policy.yaml --json | jq '.failures[].destination'

Exit status: 0 all as expected, 1 some are not, 2 usage, 4 the file could not be read, is no valid
policy or holds no PolicyTest.)";

}  // namespace

void add_test_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<TestOptions>();
  CLI::App* test = app.add_subcommand("test", "run a policy file's PolicyTests");
  test->footer(kHelp);
  test->add_option("-f,--file", options->file, "the policy; -: standard input")->required();
  test->add_flag("--json", options->as_json, "machine-readable");
  test->callback([options, &action] { action = [options] { return run_test(*options); }; });
}

}  // namespace egress
