// egress apply: a manifest to the server. Checked here first, so that mistakes show without one.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "preload/cli/apply_report.h"
#include "preload/cli/commands.h"
#include "preload/cli/manifest_text.h"
#include "preload/cli/option_checks.h"
#include "preload/cli/server_call.h"
#include "preload/cli/server_options.h"
#include "shared/manifest/node.h"
#include "shared/manifest/parse.h"

namespace egress {
namespace {

struct ApplyOptions {
  std::string file;
  std::string namespace_path;
  std::string server;
  std::string token_file;
  bool dry_run = false;
  bool force = false;
  bool as_json = false;
};

int complain(const std::string& message, int status) {
  std::fprintf(stderr, "egress apply: %s\n", message.c_str());
  return status;
}

int run_apply(const ApplyOptions& options) {
  const auto manifest = load_manifest_text(options.file, kMaxManifestTextBytes);
  if (!manifest) return complain(manifest.error().message, kExitUnavailable);
  // References are the server's to check: what this file lacks may be there.
  const ParsedManifest parsed = parse_manifest_documents(manifest->text, options.namespace_path);
  std::fputs(render_warnings(parsed.warnings, *manifest).c_str(), stderr);
  if (!parsed.problems.empty()) {
    std::fputs(render_problems(parsed.problems, *manifest).c_str(), stderr);
    return complain("nothing was applied", kExitRefused);
  }
  if (parsed.documents.empty()) return complain(manifest->name + " holds no document", kExitRefused);

  ServerCall call{.server = options.server,
                  .token_file = options.token_file,
                  .method = "POST",
                  .target = "/api/manifests",
                  .content_type = "application/yaml",
                  .body = manifest->text};
  add_query(call.target, "namespace", options.namespace_path);
  if (options.dry_run) add_query(call.target, "dry_run", "true");
  if (options.force) add_query(call.target, "force", "true");
  const auto answer = call_server(call);
  if (!answer) return complain(answer.error().message, kExitUnavailable);
  const bool applied = answer->status == 200 || answer->status == 201;
  if (options.as_json) std::fprintf(stdout, "%s\n", answer->body.c_str());
  if (!applied) {
    std::fputs(render_apply_refusal(answer->body, *manifest).c_str(), stderr);
    return complain(describe_refusal(*answer) + "; nothing was applied", exit_status_of(*answer));
  }
  if (options.as_json) return 0;
  std::fputs(render_applied(answer->body, *manifest, parsed.warnings).c_str(), stdout);
  if (options.dry_run) std::fputs("nothing was applied: a dry run\n", stdout);
  return 0;
}

constexpr char kHelp[] = R"(Sends a YAML or JSON manifest to the server, which takes all of it or nothing.

Examples:
  egress apply -f policy.yaml
  egress apply -f policy.yaml -n prod/payments --dry-run
  kubectl get egressl4routes -o json | egress apply -f -

Exit status: 0 applied (or would be), 1 the manifest is wrong or the server refused it, 2 usage,
4 the file could not be read or the server did not answer.)";

}  // namespace

void add_apply_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App* apply = app.add_subcommand("apply", "send a manifest to the server");
  apply->footer(kHelp);
  apply->add_option("-f,--file", options->file, "the manifest; -: standard input")->required();
  apply->add_option("-n,--namespace", options->namespace_path, "for documents that name none")->check(check_namespace);
  add_server_options(*apply, options->server, options->token_file);
  apply->add_flag("--dry-run", options->dry_run, "say what would change, change nothing");
  apply->add_flag("--force", options->force, "even if descendants break or policy tests fail");
  apply->add_flag("--json", options->as_json, "the server's answer as it is");
  apply->callback([options, &action] { action = [options] { return run_apply(*options); }; });
}

}  // namespace egress
