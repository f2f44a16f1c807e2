#include "preload/agent/instance_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace egress {

bool is_accepting(const std::filesystem::path& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.native().size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.native().size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return false;
  // EAGAIN: the backlog is full, so somebody does listen.
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
}

Expected<std::optional<InstanceLock>> InstanceLock::try_acquire(const std::filesystem::path& runtime_dir) {
  const std::filesystem::path path = runtime_dir / "agent.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) {
    return fail(ErrorCode::kUnavailable, "cannot open lock file \"" + path.string() + "\": " + std::strerror(errno));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::optional(InstanceLock(std::move(fd)));
  if (errno == EWOULDBLOCK) return std::optional<InstanceLock>();
  return fail(ErrorCode::kUnavailable, "cannot lock \"" + path.string() + "\": " + std::strerror(errno));
}

Expected<std::optional<InstanceLock>> InstanceLock::acquire_or_await_winner(const std::filesystem::path& runtime_dir,
                                                                            const std::filesystem::path& socket_path,
                                                                            std::chrono::milliseconds patience) {
  constexpr int kSliceMs = 50;  // a winner that died without a trace in the directory is noticed this late
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (watch) ::inotify_add_watch(watch.get(), runtime_dir.c_str(), IN_CREATE | IN_ATTRIB | IN_MOVED_TO | IN_DELETE);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto lock = try_acquire(runtime_dir);
    if (!lock || lock->has_value()) return lock;
    if (is_accepting(socket_path)) return std::optional<InstanceLock>();
    if (std::chrono::steady_clock::now() >= deadline) break;
    pollfd changed{watch.get(), POLLIN, 0};
    if (::poll(&changed, 1, kSliceMs) > 0) {
      char events[4096];
      while (::read(watch.get(), events, sizeof events) > 0) {
      }
    }
  }
  return fail(ErrorCode::kUnavailable, "another agent holds \"" + (runtime_dir / "agent.lock").string() +
                                           "\" but its socket does not accept: end that process");
}

}  // namespace egress
