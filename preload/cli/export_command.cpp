// egress export: the server's documents as the YAML that apply takes back.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "preload/cli/commands.h"
#include "preload/cli/option_checks.h"
#include "preload/cli/server_call.h"
#include "preload/cli/server_options.h"

namespace egress {
namespace {

struct ExportOptions {
  std::string server;
  std::string token_file;
  std::string namespace_path;
};

constexpr int kMaxPages = 10'000;  // a server that never comes to an end must not keep us for ever

// Writes one page to standard output. The cursor of the next, empty after the last; or what to exit with.
tl::expected<std::string, int> write_page(const ServerCall& call) {
  auto answer = call_server(call);
  if (!answer) {
    std::fprintf(stderr, "egress export: %s\n", answer.error().message.c_str());
    return tl::unexpected(kExitUnavailable);
  }
  if (answer->status != 200) {
    std::fprintf(stderr, "egress export: %s\n", describe_refusal(*answer).c_str());
    return tl::unexpected(exit_status_of(*answer));
  }
  const bool written = std::fwrite(answer->body.data(), 1, answer->body.size(), stdout) == answer->body.size();
  if (written && std::fflush(stdout) == 0) return std::move(answer->next_cursor);
  std::fprintf(stderr, "egress export: the output could not be written\n");
  return tl::unexpected(kExitUnavailable);
}

int run_export(const ExportOptions& options) {
  std::string cursor;
  for (int page = 0; page < kMaxPages; ++page) {
    ServerCall call{.server = options.server, .token_file = options.token_file, .target = "/api/manifests?format=yaml"};
    add_query(call.target, "namespace", options.namespace_path);
    if (!cursor.empty()) call.target += "&cursor=" + cursor;  // encoded by the server
    auto next = write_page(call);
    if (!next) return next.error();
    cursor = *std::move(next);
    if (cursor.empty()) return 0;
  }
  std::fprintf(stderr, "egress export: the server's listing does not end; what was written is not all of it\n");
  return kExitUnavailable;
}

constexpr char kHelp[] = R"(Writes the server's documents to standard output, as one YAML stream that apply takes back.

Examples:
  egress export > policy.yaml
  egress export -n prod/payments | egress apply -f - --server http://127.0.0.1:9443

Exit status: 0 written, 1 the server refused, 2 usage, 4 it did not answer.)";

}  // namespace

void add_export_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand("export", "write the server's documents as YAML");
  command->footer(kHelp);
  command->add_option("-n,--namespace", options->namespace_path, "only the documents of this namespace")
      ->check(check_namespace);
  add_server_options(*command, options->server, options->token_file);
  command->callback([options, &action] { action = [options] { return run_export(*options); }; });
}

}  // namespace egress
