#include "preload/launcher/agent_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "preload/agent/sealed_text.h"

namespace egress {
namespace {

constexpr std::size_t kMaxStatusBytes = 16u << 20;
constexpr std::size_t kMaxDescriptors = 4;
constexpr auto kRegistrationPatience = std::chrono::milliseconds(30'000);  // a large file is parsed meanwhile

tl::unexpected<Error> failed(const char* what, const std::filesystem::path& path, ErrorCode code) {
  return fail(code, std::string(what) + " the agent at \"" + path.string() + "\": " + std::strerror(errno));
}

Expected<AgentReply> receive_reply(int socket, const std::filesystem::path& path) {
  AgentReply reply;
  reply.body.resize(kMaxReplyBytes);
  iovec parts[2] = {{&reply.header, sizeof reply.header}, {reply.body.data(), reply.body.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return failed("no answer from", path, ErrorCode::kUnavailable);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      reply.descriptors.emplace_back(fd);
    }
  }
  const bool whole = static_cast<std::size_t>(size) >= sizeof reply.header && (message.msg_flags & MSG_TRUNC) == 0;
  if (!whole || reply.header.magic != kProtocolMagic || reply.header.version != kProtocolVersion) {
    return fail(ErrorCode::kCorrupt,
                "what listens at \"" + path.string() + "\" is not an egress agent of this version");
  }
  reply.body.resize(static_cast<std::size_t>(size) - sizeof reply.header);
  return reply;
}

bool send_request(int socket, const std::string& request, int descriptor) {
  iovec part{const_cast<char*>(request.data()), request.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

}  // namespace

std::string encode_request(RequestKind kind, const std::array<std::string, kHelloFieldCount>& fields) {
  RequestHeader header;
  header.kind = static_cast<std::uint16_t>(kind);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    header.field_bytes[i] = static_cast<std::uint32_t>(fields[i].size());
    bytes += fields[i];
  }
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Expected<AgentReply> ask_agent(const std::filesystem::path& path, const std::string& request,
                               std::chrono::milliseconds deadline, int descriptor) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "socket path \"" + path.string() + "\" is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return failed("cannot reach", path, ErrorCode::kUnavailable);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool absent = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
    return failed("cannot reach", path, absent ? ErrorCode::kNotFound : ErrorCode::kUnavailable);
  }
  if (!send_request(socket.get(), request, descriptor)) {
    return failed("cannot ask", path, ErrorCode::kUnavailable);
  }
  pollfd answered{socket.get(), POLLIN, 0};
  if (::poll(&answered, 1, static_cast<int>(deadline.count())) <= 0) {
    return fail(ErrorCode::kUnavailable, "no answer from the agent at \"" + path.string() + "\" within " +
                                             std::to_string(deadline.count()) + " ms");
  }
  return receive_reply(socket.get(), path);
}

Expected<std::string> fetch_status(const std::filesystem::path& socket_path) {
  auto reply = ask_agent(socket_path, encode_request(RequestKind::kStatus, {}), std::chrono::milliseconds(5'000));
  if (!reply) return tl::unexpected(reply.error());
  if (reply->header.status != static_cast<std::uint16_t>(ReplyStatus::kOk) || reply->descriptors.size() != 1) {
    return fail(ErrorCode::kUnavailable, "the agent refused: " + reply->body);
  }
  struct stat status {};
  const int fd = reply->descriptors[0].get();
  if (::fstat(fd, &status) != 0 || static_cast<std::uint64_t>(status.st_size) > kMaxStatusBytes) {
    return fail(ErrorCode::kCorrupt, "the agent's status cannot be read");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (::pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return fail(ErrorCode::kCorrupt, "the agent's status cannot be read");
  }
  return text;
}

Expected<std::string> register_policy(const std::filesystem::path& socket_path, const std::string& text,
                                      const std::string& namespace_path) {
  const auto file = make_sealed_text("egress-policy", text);
  if (!file) return tl::unexpected(file.error());
  std::array<std::string, kHelloFieldCount> fields;
  fields[static_cast<std::size_t>(HelloField::kNamespace)] = namespace_path;
  auto reply = ask_agent(socket_path, encode_request(RequestKind::kPolicy, fields), kRegistrationPatience, file->get());
  if (!reply) return tl::unexpected(reply.error());
  std::string answer = reply->body.substr(0, reply->header.text_bytes);
  if (reply->header.status != static_cast<std::uint16_t>(ReplyStatus::kOk)) {
    return fail(ErrorCode::kInvalidArgument, "the agent refused: " + answer);
  }
  return answer;
}

}  // namespace egress
