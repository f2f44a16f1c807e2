// egress status: what the agent holds.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "preload/agent/settings.h"
#include "preload/cli/commands.h"
#include "preload/cli/status_text.h"
#include "preload/cli/terminal.h"
#include "preload/launcher/agent_connection.h"

namespace egress {
namespace {

constexpr int kExitNoAgent = 3;

int run_status(bool as_json) {
  const auto settings = load_settings(read_environment, ::geteuid());
  if (!settings) {
    std::fprintf(stderr, "egress status: %s\n", settings.error().message.c_str());
    return 1;
  }
  const auto status = fetch_status(settings->socket_path());
  if (!status) {
    const bool absent = status.error().code == ErrorCode::kNotFound;
    if (absent) {
      std::fprintf(stderr, "egress status: no agent runs at %s; `egress exec` and the library start one on demand\n",
                   settings->socket_path().c_str());
    } else {
      std::fprintf(stderr, "egress status: %s\n", status.error().message.c_str());
    }
    return absent ? kExitNoAgent : 1;
  }
  const auto json = nlohmann::json::parse(*status, nullptr, false);
  if (!json.is_object()) {
    std::fprintf(stderr, "egress status: the agent's answer is not JSON\n");
    return 1;
  }
  const std::string text = as_json ? json.dump(2) + "\n" : render_status_text(json, wants_colour(STDOUT_FILENO));
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

constexpr char kHelp[] = R"(Shows the agent, its sessions (namespace, revision, server, processes) and event counts.

Examples:
  egress status
  egress status --json | jq '.events'

Exit status: 0 shown, 1 the agent did not answer, 2 usage, 3 no agent runs.)";

}  // namespace

void add_status_command(CLI::App& app, CommandAction& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* status = app.add_subcommand("status", "show the agent, its sessions and event counts");
  status->footer(kHelp);
  status->add_flag("--json", *as_json, "machine-readable");
  status->callback([as_json, &action] { action = [as_json] { return run_status(*as_json); }; });
}

}  // namespace egress
