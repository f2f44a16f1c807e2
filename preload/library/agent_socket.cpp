#include "preload/library/agent_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "preload/library/clock.h"
#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

constexpr std::size_t kMaxDescriptors = static_cast<std::size_t>(HelloDescriptor::kCount);

void explain(TextLine& why, const char* what, const char* path, long error) noexcept {
  const char* description = strerrordesc_np(static_cast<int>(-error));
  why.clear();
  why.add(what).add(path).add(" (").add(description != nullptr ? description : "unknown error").add(")");
}

// A full backlog makes connect wait; only the socket's own time limit bounds that.
void limit_waiting(int fd, std::int64_t deadline_ms) noexcept {
  const std::int64_t left_ms = std::max<std::int64_t>(deadline_ms - monotonic_ms(), 1);
  const timeval limit{static_cast<time_t>(left_ms / 1000), static_cast<suseconds_t>(left_ms % 1000 * 1000)};
  raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

long connect_within(int fd, const sockaddr_un& address, std::int64_t deadline_ms) noexcept {
  for (;;) {
    limit_waiting(fd, deadline_ms);
    const long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    if (result != -EINTR || monotonic_ms() >= deadline_ms) return result;
  }
}

long wait_readable(int fd, std::int64_t deadline_ms) noexcept {
  for (;;) {
    pollfd poll{fd, POLLIN, 0};
    const long ready = raw_poll(&poll, 1, deadline_ms - monotonic_ms());
    if (ready > 0) return 0;
    if (ready == 0) return -ETIMEDOUT;
    if (ready != -EINTR) return ready;
    if (monotonic_ms() >= deadline_ms) return -ETIMEDOUT;
  }
}

// Whoever listens there may tell this process what to do only if root or this user let it.
bool is_trusted_peer(int fd) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || static_cast<long>(peer.uid) == raw_syscall(SYS_geteuid);
}

long send_request(int fd, AgentRequest& request, std::int64_t deadline_ms) noexcept {
  request.parts[0] = {&request.header, sizeof request.header};
  msghdr message{};
  message.msg_iov = request.parts.data();
  message.msg_iovlen = request.part_count;
  for (;;) {
    const long sent = raw_syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
    if (sent != -EINTR || monotonic_ms() >= deadline_ms) return sent;
  }
}

void take_descriptors(const msghdr& message, AgentReply& reply) noexcept {
  const cmsghdr* control = CMSG_FIRSTHDR(&message);
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) return;
  const std::size_t count = std::min((control->cmsg_len - CMSG_LEN(0)) / sizeof(int), kMaxDescriptors);
  for (std::size_t i = 0; i < count; ++i) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
    reply.descriptors[i] = RawFd(fd);
  }
}

long receive_reply(int fd, char* body, std::size_t capacity, AgentReply& reply) noexcept {
  iovec parts[2] = {{&reply.header, sizeof reply.header}, {body, capacity}};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = capacity > 0 ? 2 : 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long received = raw_syscall(SYS_recvmsg, fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received < 0) return received;
  take_descriptors(message, reply);
  if ((message.msg_flags & MSG_CTRUNC) != 0) return -EMFILE;  // no room for the descriptors in this process
  if (received == 0) return -ECONNRESET;
  if (static_cast<std::size_t>(received) < sizeof reply.header || reply.header.magic != kProtocolMagic ||
      reply.header.version != kProtocolVersion) {
    return -EPROTO;
  }
  reply.body_bytes = static_cast<std::size_t>(received) - sizeof reply.header;
  return 0;
}

}  // namespace

RawFd& RawFd::operator=(RawFd&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) raw_close(fd_);
  fd_ = other.fd_;
  other.fd_ = -1;
  return *this;
}

RawFd::~RawFd() {
  if (fd_ >= 0) raw_close(fd_);
}

AgentOutcome ask_agent(const char* path, AgentRequest& request, std::int64_t deadline_ms, char* body,
                       std::size_t body_capacity, AgentReply& reply, TextLine& why) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t path_bytes = std::strlen(path) + 1;
  if (path_bytes > sizeof address.sun_path) {
    explain(why, "cannot reach the agent at ", path, -ENAMETOOLONG);
    return AgentOutcome::kFailed;
  }
  std::memcpy(address.sun_path, path, path_bytes);

  const RawFd fd(static_cast<int>(raw_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)));
  if (fd.get() < 0) {
    explain(why, "cannot make a socket to reach the agent at ", path, fd.get());
    return AgentOutcome::kFailed;
  }
  if (const long error = connect_within(fd.get(), address, deadline_ms); error < 0) {
    explain(why, "cannot reach the agent at ", path, error);
    return error == -ENOENT || error == -ECONNREFUSED ? AgentOutcome::kAbsent : AgentOutcome::kFailed;
  }
  if (!is_trusted_peer(fd.get())) {
    explain(why, "what listens as the agent is neither root's nor this user's: ", path, -EACCES);
    return AgentOutcome::kFailed;
  }
  long error = send_request(fd.get(), request, deadline_ms);
  if (error >= 0) error = wait_readable(fd.get(), deadline_ms);
  if (error >= 0) error = receive_reply(fd.get(), body, body_capacity, reply);
  if (error < 0) {
    explain(why, "no usable answer from the agent at ", path, error);
    return AgentOutcome::kFailed;
  }
  return AgentOutcome::kReplied;
}

}  // namespace egress
