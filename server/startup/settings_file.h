// The server's configuration file: one YAML mapping, the options' names as keys.
#pragma once

#include <string>
#include <string_view>

#include "server/startup/settings.h"

namespace egress::server {

// Sets what the text says. kInvalidArgument as "name:line:column: …" with the line and a caret, for what is no such
// mapping, an unknown key (with the nearest known one) or a value that its option refuses; `settings` is then as it
// was.
Expected<void> parse_settings_file(std::string_view text, const std::string& name, ServerSettings& settings);

Expected<void> load_settings_file(const std::string& path, ServerSettings& settings);

}  // namespace egress::server
