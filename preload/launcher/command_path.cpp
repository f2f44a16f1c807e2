#include "preload/launcher/command_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace egress {
namespace {

constexpr char kDefaultPath[] = "/bin:/usr/bin";

// 0 if `path` is an executable file, else an errno.
int check_executable(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

bool is_absent(int error) { return error == ENOENT || error == ENOTDIR; }

tl::unexpected<CommandFailure> refuse(const std::string& command, int error) {
  const int status = is_absent(error) ? kExitNotFound : kExitNotExecutable;
  const std::string why =
      error == ENOENT && command.find('/') == std::string::npos ? "command not found" : std::strerror(error);
  return tl::unexpected(CommandFailure{status, command + ": " + why});
}

}  // namespace

tl::expected<std::filesystem::path, CommandFailure> find_command(const std::string& command,
                                                                 const Environment& environment) {
  if (command.find('/') != std::string::npos) {
    const int error = check_executable(command);
    if (error != 0) return refuse(command, error);
    return std::filesystem::path(command);
  }
  const std::string search = environment("PATH").value_or(kDefaultPath);
  int last_error = ENOENT;
  std::string_view rest = search;
  while (!command.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string directory(rest.substr(0, colon));
    const std::string candidate = (directory.empty() ? "." : directory) + "/" + command;
    const int error = check_executable(candidate);
    if (error == 0) return std::filesystem::path(candidate);
    if (!is_absent(error)) last_error = error;
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return refuse(command, last_error);
}

}  // namespace egress
