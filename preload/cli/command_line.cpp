#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "preload/agent/version.h"
#include "preload/cli/commands.h"

namespace egress {

int run_command_line(int argc, const char* const* argv) {
  CLI::App app("egress: which destinations a workload may reach");
  app.name("egress");
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  CommandAction action;
  const char* const* const end = argv + argc;
  const char* const* const mark = std::find(argv, end, std::string_view("--"));
  const std::vector<std::string> command(mark == end ? end : mark + 1, end);
  add_exec_command(app, action, command);
  add_agent_command(app, action);
  add_status_command(app, action);
  add_explain_command(app, action);
  add_apply_command(app, action);
  add_export_command(app, action);
  add_test_command(app, action);
  try {
    app.parse(static_cast<int>(mark - argv), argv);
  } catch (const CLI::ParseError& error) {
    // Help and version end with 0; everything else is a usage error.
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (!command.empty() && !app.got_subcommand("exec")) {
    std::fprintf(stderr, "egress: only exec takes a command after --\n");
    return kExitUsage;
  }
  return action();
}

}  // namespace egress
