#include "preload/agent/agent_socket.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

namespace egress {
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);  // out of descriptors: until some are closed
constexpr std::size_t kMaxDescriptors = 2;

Expected<UniqueFd> open_listener(const std::filesystem::path& path, mode_t mode) {
  const auto failed = [&](const char* what) {
    return fail(ErrorCode::kUnavailable, std::string(what) + " \"" + path.string() + "\": " + std::strerror(errno));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "socket path \"" + path.string() + "\" is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed("cannot create socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("cannot replace stale socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("cannot bind");
  // Before listen(), so that nobody gets in while the mode is the umask's.
  if (::chmod(path.c_str(), mode) != 0) return failed("cannot set the mode of");
  if (::listen(fd.get(), 1024) != 0) return failed("cannot listen on");
  return fd;
}

bool send_reply(int socket, const Reply& reply) {
  iovec parts[2] = {{const_cast<ReplyHeader*>(&reply.header), sizeof reply.header},
                    {const_cast<char*>(reply.body.data()), reply.body.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (!reply.descriptors.empty()) {
    const std::size_t bytes = std::min(reply.descriptors.size(), kMaxDescriptors) * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    int* descriptors = reinterpret_cast<int*>(CMSG_DATA(header));
    for (std::size_t i = 0; i < bytes / sizeof(int); ++i) descriptors[i] = reply.descriptors[i].get();
  }
  // One message on a fresh connection always fits its send buffer.
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

// nullptr if there is none. Descriptors past the first are not received, so the kernel closes them.
std::shared_ptr<const ReceivedRequest> receive_message(int socket, std::vector<std::byte>& scratch) {
  iovec part{scratch.data(), scratch.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(sizeof(int));
  const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return nullptr;
  auto received = std::make_shared<ReceivedRequest>();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len >= CMSG_LEN(sizeof(int))) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    received->descriptor.reset(descriptor);
  }
  if (size == 0) return nullptr;
  received->bytes.assign(scratch.begin(), scratch.begin() + size);
  return received;
}

}  // namespace

Reply make_refusal(ReplyStatus status, std::string_view text) {
  Reply reply;
  reply.header.status = static_cast<std::uint16_t>(status);
  reply.body = text.substr(0, kMaxReplyBytes - sizeof(ReplyHeader));
  reply.header.text_bytes = static_cast<std::uint32_t>(reply.body.size());
  return reply;
}

AgentSocket::AgentSocket(asio::any_io_executor executor, UniqueFd listener, std::filesystem::path path, Handler handler,
                         std::chrono::milliseconds request_deadline)
    : listener_(executor, listener.get()),
      path_(std::move(path)),
      handler_(std::move(handler)),
      request_deadline_(request_deadline),
      scratch_(kMaxRequestBytes + 1) {
  listener.release();
}

Expected<std::shared_ptr<AgentSocket>> AgentSocket::listen(asio::any_io_executor executor,
                                                           const std::filesystem::path& path, mode_t mode,
                                                           Handler handler,
                                                           std::chrono::milliseconds request_deadline) {
  auto listener = open_listener(path, mode);
  if (!listener) return tl::unexpected(listener.error());
  return std::shared_ptr<AgentSocket>(
      new AgentSocket(std::move(executor), std::move(*listener), path, std::move(handler), request_deadline));
}

void AgentSocket::start() { asio::co_spawn(listener_.get_executor(), accept_all(shared_from_this()), asio::detached); }

void AgentSocket::stop() {
  boost::system::error_code ignored;  // closing cannot fail in a way that matters here
  listener_.close(ignored);
  ::unlink(path_.c_str());
}

asio::awaitable<void> AgentSocket::accept_all(Self self) {
  asio::steady_timer pause(self->listener_.get_executor());
  while (self->listener_.is_open()) {
    auto [error] = co_await self->listener_.async_wait(stream_descriptor::wait_read, kToken);
    if (error) co_return;
    UniqueFd connection(::accept4(self->listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      self->admit(std::move(connection));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      spdlog::error("cannot accept: {}", std::strerror(errno));
      pause.expires_after(kAcceptRetry);
      co_await pause.async_wait(kToken);
    }
  }
}

void AgentSocket::admit(UniqueFd connection) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
  if (connections_ >= kMaxConnections || connections_by_uid_[credentials.uid] >= kMaxConnectionsPerUid) {
    const Reply refusal = make_refusal(ReplyStatus::kRefused, "the agent has too many connections: try again");
    send_reply(connection.get(), refusal);
    return;
  }
  ++connections_;
  ++connections_by_uid_[credentials.uid];
  auto peer = std::make_shared<stream_descriptor>(listener_.get_executor(), connection.get());
  connection.release();
  asio::co_spawn(listener_.get_executor(), serve(shared_from_this(), std::move(peer), credentials.uid), asio::detached);
}

asio::awaitable<std::shared_ptr<const ReceivedRequest>> AgentSocket::receive(std::shared_ptr<stream_descriptor> peer) {
  asio::steady_timer deadline(peer->get_executor(), request_deadline_);
  deadline.async_wait([peer](const boost::system::error_code& error) {
    if (!error) peer->cancel();
  });
  auto [error] = co_await peer->async_wait(stream_descriptor::wait_read, kToken);
  deadline.cancel();
  if (error) co_return nullptr;
  co_return receive_message(peer->native_handle(), scratch_);
}

asio::awaitable<void> AgentSocket::serve(Self self, std::shared_ptr<stream_descriptor> peer, uid_t uid) {
  const auto request = co_await self->receive(peer);
  if (request != nullptr) {
    Reply reply;
    if (const auto process = find_peer(peer->native_handle())) {
      PeerProcess who = *process;
      reply = co_await self->handler_(who, request);
    } else {
      reply = make_refusal(ReplyStatus::kRefused, process.error().message);
    }
    if (!send_reply(peer->native_handle(), reply)) spdlog::debug("no reply sent: {}", std::strerror(errno));
  }
  --self->connections_;
  const auto count = self->connections_by_uid_.find(uid);
  if (--count->second == 0) self->connections_by_uid_.erase(count);
}

}  // namespace egress
