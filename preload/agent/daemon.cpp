#include "preload/agent/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

namespace egress {
namespace {

tl::unexpected<Error> failed(const char* what) {
  return fail(ErrorCode::kUnavailable, std::string(what) + ": " + std::strerror(errno));
}

[[noreturn]] void await_daemon(int read_end, pid_t child) {
  char byte = 0;
  ssize_t size = 0;
  do {
    size = ::read(read_end, &byte, 1);
  } while (size < 0 && errno == EINTR);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::_exit(size == 1 ? 0 : 1);
}

void close_all_but(int keep_fd) {
  if (keep_fd < 3) {
    ::close_range(3, UINT_MAX, 0);
    return;
  }
  if (keep_fd > 3) ::close_range(3, static_cast<unsigned>(keep_fd) - 1, 0);
  ::close_range(static_cast<unsigned>(keep_fd) + 1, UINT_MAX, 0);
}

}  // namespace

Expected<UniqueFd> become_daemon(int keep_fd) {
  close_all_but(keep_fd);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("cannot create a pipe");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return failed("cannot fork");
  if (child > 0) {
    write_end.reset();
    if (keep_fd >= 3) ::close(keep_fd);
    await_daemon(read_end.get(), child);
  }
  read_end.reset();
  ::setsid();
  const pid_t grandchild = ::fork();
  if (grandchild < 0) return failed("cannot fork");
  if (grandchild > 0) ::_exit(0);
  if (::chdir("/") != 0) return failed("cannot change to /");
  return write_end;
}

Expected<void> detach_streams() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return failed("cannot open /dev/null");
  for (int fd = 0; fd <= 2; ++fd) {
    if (::dup2(null.get(), fd) < 0) return failed("cannot leave the terminal");
  }
  return {};
}

void announce_ready(UniqueFd fd) {
  if (!fd) return;
  const char byte = '\n';
  // Whoever waited may be gone; SIGPIPE is ignored by the agent.
  while (::write(fd.get(), &byte, 1) < 0 && errno == EINTR) {
  }
}

}  // namespace egress
