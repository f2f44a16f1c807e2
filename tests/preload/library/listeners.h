// Loopback sockets for workloads to reach, on ports that the kernel chooses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "shared/base/unique_fd.h"

namespace egress {

class LoopbackSocket {
 public:
  explicit LoopbackSocket(int type) : fd_(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_.get(), generic, size) != 0 || ::getsockname(fd_.get(), generic, &size) != 0 ||
        (type == SOCK_STREAM && ::listen(fd_.get(), 64) != 0)) {
      throw std::runtime_error("cannot listen on loopback");
    }
    port_ = ntohs(address.sin_port);
  }

  std::uint16_t port() const { return port_; }

  // Of a stream socket: connections that arrived since the last call. Loopback connections are there when connect
  // returns.
  int accepted() {
    int count = 0;
    while (UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC))) ++count;
    return count;
  }

  // Of a datagram socket: payloads that arrived, "" if none.
  std::string received() {
    std::string all;
    char buffer[256];
    for (ssize_t got; (got = ::recv(fd_.get(), buffer, sizeof buffer, 0)) >= 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

class TcpListener : public LoopbackSocket {
 public:
  TcpListener() : LoopbackSocket(SOCK_STREAM) {}
};

class UdpReceiver : public LoopbackSocket {
 public:
  UdpReceiver() : LoopbackSocket(SOCK_DGRAM) {}
};

}  // namespace egress
