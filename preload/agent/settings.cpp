#include "preload/agent/settings.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "shared/session/protocol.h"

namespace egress {
namespace {

constexpr std::array<std::string_view, 7> kLogLevels = {"trace", "debug", "info", "warn", "error", "critical", "off"};
constexpr char kSystemRuntimeDir[] = "/run/egress";

Expected<std::filesystem::path> find_state_dir(const Environment& environment, uid_t uid) {
  if (auto dir = environment("EGRESS_STATE_DIR")) return std::filesystem::path(*dir);
  if (uid == 0) return std::filesystem::path("/var/lib/egress");
  if (auto dir = environment("XDG_STATE_HOME")) return std::filesystem::path(*dir) / "egress";
  if (auto home = environment("HOME")) return std::filesystem::path(*home) / ".local/state/egress";
  return fail(ErrorCode::kInvalidArgument, "no state directory: set EGRESS_STATE_DIR, XDG_STATE_HOME or HOME");
}

}  // namespace

std::filesystem::path AgentSettings::socket_path() const { return runtime_dir / kAgentSocketName; }

std::optional<std::string> read_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

bool is_log_level(std::string_view text) {
  return std::find(kLogLevels.begin(), kLogLevels.end(), text) != kLogLevels.end();
}

Expected<AgentSettings> load_settings(const Environment& environment, uid_t uid) {
  AgentSettings settings;
  if (auto dir = environment("EGRESS_RUNTIME_DIR")) {
    settings.runtime_dir = *dir;
  } else if (auto xdg = environment("XDG_RUNTIME_DIR")) {
    settings.runtime_dir = std::filesystem::path(*xdg) / "egress";
  } else {
    settings.runtime_dir = kSystemRuntimeDir;
  }
  auto state_dir = find_state_dir(environment, uid);
  if (!state_dir) return tl::unexpected(state_dir.error());
  settings.state_dir = *state_dir;
  for (const auto* dir : {&settings.runtime_dir, &settings.state_dir}) {
    if (!dir->is_absolute()) {
      return fail(ErrorCode::kInvalidArgument, "directory \"" + dir->string() + "\" is not an absolute path");
    }
  }
  if (settings.socket_path().native().size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorCode::kInvalidArgument,
                "socket path \"" + settings.socket_path().string() + "\" is longer than a socket address holds (" +
                    std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes): set a shorter EGRESS_RUNTIME_DIR");
  }
  settings.shared = uid == 0 && settings.runtime_dir == kSystemRuntimeDir;
  if (auto level = environment("EGRESS_LOG"); level && is_log_level(*level)) settings.log_level = *level;
  settings.bundle_key = environment("EGRESS_BUNDLE_KEY").value_or("");
  settings.ca = environment("EGRESS_CA").value_or("");
  return settings;
}

Expected<void> prepare_directory(const std::filesystem::path& path, mode_t mode, uid_t uid) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kUnavailable, "cannot use directory \"" + path.string() + "\": " + why);
  };
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return refuse(error.message());
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return refuse(std::strerror(errno));
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return refuse(std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) return refuse("it is not a directory");
  if (status.st_uid != uid) return refuse("it belongs to user " + std::to_string(status.st_uid));
  if ((status.st_mode & 07777) != mode && ::chmod(path.c_str(), mode) != 0) return refuse(std::strerror(errno));
  return {};
}

}  // namespace egress
