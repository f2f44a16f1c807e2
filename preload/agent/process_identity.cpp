#include "preload/agent/process_identity.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <sstream>

namespace egress {
namespace {

constexpr int kSoPeerPidfd = 77;  // SO_PEERPIDFD, which the headers of older kernels lack

// False where the kernel does not say. Depending on its version, a process that was waited for has a pidfd or none.
bool has_peer_ended(int socket) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, kSoPeerPidfd, &fd, &size) != 0)
    return errno != ENOPROTOOPT && errno != EMFILE && errno != ENFILE;
  const UniqueFd pidfd(fd);
  pollfd ended{pidfd.get(), POLLIN, 0};
  return ::poll(&ended, 1, 0) > 0;
}

}  // namespace

Expected<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) {
    return fail(ErrorCode::kUnavailable, "cannot watch process " + std::to_string(pid) + ": " + std::strerror(errno));
  }
  return fd;
}

std::optional<PeerProcess> find_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return std::nullopt;
  char text[1024];
  const ssize_t size = ::read(fd.get(), text, sizeof text);
  if (size <= 0) return std::nullopt;
  // The command name may hold spaces and parentheses: the last ')' ends it (proc(5)).
  const std::string_view line(text, static_cast<std::size_t>(size));
  const std::size_t end = line.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  std::istringstream fields{std::string(line.substr(end + 1))};
  std::string state;
  PeerProcess process;
  process.key.pid = pid;
  process.uid = status.st_uid;
  pid_t group = 0;
  if (!(fields >> state >> process.parent >> group >> process.session)) return std::nullopt;
  std::string skipped;
  for (int field = 7; field < 22; ++field) {
    if (!(fields >> skipped)) return std::nullopt;
  }
  if (!(fields >> process.key.start_time)) return std::nullopt;
  return process;
}

Expected<PeerProcess> find_peer(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail(ErrorCode::kUnavailable, std::string("no peer credentials: ") + std::strerror(errno));
  }
  if (credentials.pid <= 0) {
    return fail(ErrorCode::kUnavailable, "the peer's process is not visible from the agent's pid namespace");
  }
  auto process = find_process(credentials.pid);
  if (!process) return fail(ErrorCode::kUnavailable, "process " + std::to_string(credentials.pid) + " is gone");
  // Looked at before it ended, or the pid's next owner would answer for it.
  if (has_peer_ended(socket)) {
    return fail(ErrorCode::kUnavailable, "process " + std::to_string(credentials.pid) + " is gone");
  }
  process->uid = credentials.uid;
  return *process;
}

std::string read_executable(pid_t pid) {
  char target[PATH_MAX];
  const std::string path = "/proc/" + std::to_string(pid) + "/exe";
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size <= 0) return {};
  return std::string(target, static_cast<std::size_t>(size));
}

}  // namespace egress
