#include "preload/agent/process_identity.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

constexpr int kSoPeerPidfd = 77;

class PeerTest : public ::testing::Test {
 protected:
  PeerTest() {
    const std::string path = (directory.path() / "socket").string();
    std::memcpy(address.sun_path, path.c_str(), path.size());
    address.sun_family = AF_UNIX;
    listener = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 8), 0);
  }
  int connect() const {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  UniqueFd accept() const { return UniqueFd(::accept(listener.get(), nullptr, nullptr)); }

  TempDirectory directory;
  sockaddr_un address{};
  UniqueFd listener;
};

TEST_F(PeerTest, IsWhoTheKernelSays) {
  const UniqueFd client(connect());
  const auto peer = find_peer(accept().get());
  ASSERT_TRUE(peer.has_value()) << peer.error().message;
  EXPECT_EQ(peer->key.pid, ::getpid());
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->parent, ::getppid());
  EXPECT_EQ(peer->session, ::getsid(0));
  EXPECT_EQ(peer->key, find_process(::getpid())->key);
}

TEST_F(PeerTest, OneThatEndedIsNobodyThoughItsPidIsStillTaken) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    connect();
    ::_exit(0);
  }
  const UniqueFd accepted = accept();
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  ASSERT_TRUE(find_process(child).has_value()) << "a zombie, which keeps its pid";
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  const bool supported =
      ::getsockopt(accepted.get(), SOL_SOCKET, kSoPeerPidfd, &pidfd, &size) == 0 || errno != ENOPROTOOPT;
  if (pidfd >= 0) ::close(pidfd);
  const auto peer = find_peer(accepted.get());
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  if (!supported) GTEST_SKIP() << "this kernel has no SO_PEERPIDFD";
  ASSERT_FALSE(peer.has_value());
  EXPECT_EQ(peer.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(find_peer(accepted.get()).has_value()) << "and none after it was waited for";
}

}  // namespace
}  // namespace egress
