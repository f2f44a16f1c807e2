// egress explain: why a destination is reached or refused, by the server's policy or by a file's.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "preload/agent/policy_file.h"
#include "preload/agent/server_url.h"
#include "preload/cli/commands.h"
#include "preload/cli/explain_report.h"
#include "preload/cli/manifest_text.h"
#include "preload/cli/option_checks.h"
#include "preload/cli/server_call.h"
#include "preload/cli/server_options.h"
#include "preload/cli/terminal.h"
#include "shared/policy/destination.h"

namespace egress {
namespace {

constexpr int kExitDenied = 1;

struct ExplainOptions {
  std::string destination;
  std::string ip;
  std::string namespace_path = std::string(kDefaultNamespace);
  std::string workload;
  std::string labels;
  std::string target;
  std::string policy;
  std::string server;
  std::string token_file;
  bool as_json = false;
};

int complain(const std::string& message, int status) {
  std::fprintf(stderr, "egress explain: %s\n", message.c_str());
  return status;
}

Expected<ExplainReport> explain_by_file(const ExplainOptions& options, const Destination& destination,
                                        const ManifestText& manifest) {
  const PolicyFile file = parse_policy_file(manifest.text, options.namespace_path);
  std::fputs(render_warnings(file.warnings, manifest).c_str(), stderr);
  std::fputs(render_problems(file.problems, manifest).c_str(), stderr);
  if (!file.problems.empty()) return fail(ErrorCode::kInvalidArgument, manifest.name + " is no valid policy");
  const auto labels = parse_labels(options.labels);
  if (!labels) return tl::unexpected(labels.error());
  const Workload workload{.namespace_path = options.namespace_path,
                          .name = options.workload,
                          .labels = *labels,
                          .target = options.target,
                          .authenticated = false};
  const UnixMillis now_ms = SystemClock().now_ms();
  const auto policy = make_file_policy(file.documents, workload, false, now_ms);
  if (!policy) return tl::unexpected(policy.error());
  const auto explanation = explain((*policy)->stack, question_of(destination, now_ms));
  if (!explanation) return tl::unexpected(explanation.error());
  return make_explain_report(*explanation, **policy, true);
}

Expected<ExplainReport> explain_by_server(const ExplainOptions& options, const Destination& destination) {
  ServerCall call{.server = options.server, .token_file = options.token_file, .target = "/api/explain"};
  add_query(call.target, "namespace", options.namespace_path);
  add_query(call.target, "workload", options.workload);
  add_query(call.target, "labels", options.labels);
  add_query(call.target, "target", options.target);
  add_query(call.target, "host", destination.name);
  add_query(call.target, "ip", destination.address ? format_address(*destination.address) : std::string());
  add_query(call.target, "port", destination.port == 0 ? std::string() : std::to_string(destination.port));
  add_query(call.target, "protocol", std::string(name_of(destination.transport)));
  const auto answer = call_server(call);
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return fail(ErrorCode::kUnavailable, describe_refusal(*answer));
  return parse_explain_report(answer->body);
}

int run_explain(const ExplainOptions& options) {
  auto destination = parse_destination(options.destination);
  if (!destination) return complain(destination.error().message, kExitUsage);
  if (!options.ip.empty()) {
    if (destination->address) return complain("--ip: the destination is an address already", kExitUsage);
    destination->address = canonical(*parse_address(options.ip));
  }
  Expected<ExplainReport> report;
  if (options.policy.empty()) {
    report = explain_by_server(options, *destination);
  } else {
    const auto manifest = load_manifest_text(options.policy, kMaxPolicyFileBytes);
    if (!manifest) return complain(manifest.error().message, kExitUnavailable);
    report = explain_by_file(options, *destination, *manifest);
  }
  if (!report) return complain(report.error().message, kExitUnavailable);
  const std::string shown = options.destination + (options.ip.empty() ? "" : " at " + options.ip);
  const std::string text =
      options.as_json ? explain_report_json(*report).dump(2) + "\n"
                      : render_explain_report(*report, shown, options.namespace_path, wants_colour(STDOUT_FILENO));
  std::fputs(text.c_str(), stdout);
  return report->verdict == name_of(Verdict::kAllow) ? 0 : kExitDenied;
}

constexpr char kHelp[] = R"(Judges a destination as a workload's connect would be judged, and says which rule of which
layer decided, where it was written, and what would change a refusal.

Examples:
  egress explain api.stripe.com:443/tcp
  egress explain -n prod/payments -w checkout 10.0.0.1:22
  egress explain --policy policy.yaml --ip 192.0.2.7 api.example:443

Exit status: 0 allowed, 1 denied (or would be, in shadow and discovery), 2 usage, 4 no answer:
the server or the file could not be read, or the file is no valid policy.)";

}  // namespace

void add_explain_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* explain = app.add_subcommand("explain", "why a destination is reached or refused");
  explain->footer(kHelp);
  explain->add_option("destination", options->destination, "HOST:PORT[/TRANSPORT] or ADDRESS:PORT[/TRANSPORT]")
      ->required();
  explain->add_option("--ip", options->ip, "the address that the name was resolved to")->check(check_address);
  explain->add_option("-n,--namespace", options->namespace_path, "the workload's namespace")
      ->envname("EGRESS_NAMESPACE")
      ->capture_default_str()
      ->check(check_namespace);
  explain->add_option("-w,--workload", options->workload, "the workload's name")->envname("EGRESS_WORKLOAD");
  explain->add_option("--labels", options->labels, "the workload's labels, k=v,k=v")
      ->envname("EGRESS_LABELS")
      ->check(check_labels);
  explain->add_option("--target", options->target, "the workload's mirrord target path")->envname("EGRESS_TARGET");
  CLI::Option* policy = explain->add_option("--policy", options->policy, "by this file alone, without a server");
  add_server_options(*explain, options->server, options->token_file)->excludes(policy);
  explain->add_flag("--json", options->as_json, "machine-readable");
  explain->callback([options, &action] { action = [options] { return run_explain(*options); }; });
}

}  // namespace egress
