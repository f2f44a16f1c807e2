// Where the agent keeps its socket and its state, and what else its environment decides. Read once at start; the
// launcher and the CLI use the same function, so that all of them mean the same socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

inline constexpr std::string_view kDefaultServer = "http://127.0.0.1:8443";
inline constexpr std::int64_t kDefaultIdleExitS = 300;

// A variable's value; nullopt if unset. Empty counts as unset everywhere.
using Environment = std::function<std::optional<std::string>(const char*)>;

struct AgentSettings {
  std::filesystem::path runtime_dir;  // EGRESS_RUNTIME_DIR | $XDG_RUNTIME_DIR/egress | /run/egress
  std::filesystem::path state_dir;    // EGRESS_STATE_DIR | $XDG_STATE_HOME/egress | ~/.local/state/egress
  bool shared = false;                // root's agent in /run/egress serves every user
  std::string log_level;              // EGRESS_LOG if it names a level, else empty
  std::string bundle_key;             // EGRESS_BUNDLE_KEY, for sessions that bring none
  std::string ca;                     // EGRESS_CA, likewise
  std::int64_t idle_exit_s = kDefaultIdleExitS;

  std::filesystem::path socket_path() const;
};

// The process's own environment.
std::optional<std::string> read_environment(const char* name);

// kInvalidArgument if no directory can be derived or the socket's path does not fit a socket address.
Expected<AgentSettings> load_settings(const Environment& environment, uid_t uid);

// True for "trace", "debug", "info", "warn", "error", "critical", "off".
bool is_log_level(std::string_view text);

// Makes the directory and its parents with `mode`; refuses one that is a symlink's or another user's. Tightens nothing
// that exists but our own directory's mode.
Expected<void> prepare_directory(const std::filesystem::path& path, mode_t mode, uid_t uid);

}  // namespace egress
