// The options of every command that calls the server: which one, and as whom.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "preload/cli/option_checks.h"

namespace egress {

// The option of the URL is returned, for what it excludes.
inline CLI::Option* add_server_options(CLI::App& command, std::string& server, std::string& token_file) {
  command.add_option("--token-file", token_file, "file with a person's token (default: EGRESS_ADMIN_TOKEN)");
  return command.add_option("--server", server, "server URL (EGRESS_SERVER; default http://127.0.0.1:8443)")
      ->check(check_server);
}

}  // namespace egress
