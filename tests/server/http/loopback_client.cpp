#include "tests/server/http/loopback_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

namespace egress::server {

LoopbackClient::LoopbackClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{60, 0};  // a hung server fails the test instead of hanging it
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

void LoopbackClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server closed; what it answered is still to be read
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void LoopbackClient::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

bool LoopbackClient::fill() {
  char buffer[4096];
  const auto got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  pending_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

LoopbackClient::Reply LoopbackClient::receive(bool without_body) {
  std::size_t end = 0;
  while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  Reply reply;
  reply.head = pending_.substr(0, end + 2);
  pending_.erase(0, end + 4);
  reply.status = std::stoi(reply.head.substr(9, 3));
  const auto length_at = reply.head.find("Content-Length: ");
  const std::size_t length =
      without_body || length_at == std::string::npos ? 0 : std::stoul(reply.head.substr(length_at + 16));
  while (pending_.size() < length) {
    if (!fill()) return {};
  }
  reply.body = pending_.substr(0, length);
  pending_.erase(0, length);
  return reply;
}

bool LoopbackClient::at_end() {
  while (fill()) continue;
  return pending_.empty();
}

}  // namespace egress::server
