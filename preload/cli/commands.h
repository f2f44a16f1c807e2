// The commands of `egress`, one file each. add_*_command() declares options and help; what runs is left in `action`,
// which returns the exit status.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace egress {

using CommandAction = std::function<int()>;

// `command`: what followed "--", exactly as it was given. It never passes through the option parser, which would take
// "[a,b]" for a list.
void add_exec_command(CLI::App& app, CommandAction& action, const std::vector<std::string>& command);
void add_agent_command(CLI::App& app, CommandAction& action);
void add_status_command(CLI::App& app, CommandAction& action);
void add_explain_command(CLI::App& app, CommandAction& action);
void add_apply_command(CLI::App& app, CommandAction& action);
void add_export_command(CLI::App& app, CommandAction& action);
void add_test_command(CLI::App& app, CommandAction& action);

// The whole program but main(): parses and runs. Usage errors are 2.
int run_command_line(int argc, const char* const* argv);

inline constexpr int kExitUsage = 2;

}  // namespace egress
