#include "tests/server/http/loopback_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <csignal>

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

bool LoopbackClient::start_tls(int newest) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's socket BIO writes with write(2)
  context_.reset(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (newest != 0) {
    SSL_CTX_set_security_level(context_.get(), 0);  // or OpenSSL would not even offer the old ones
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
  }
  tls_.reset(SSL_new(context_.get()), SSL_free);
  SSL_set_fd(tls_.get(), socket_.get());
  return SSL_connect(tls_.get()) == 1;
}

std::string LoopbackClient::tls_version() const { return SSL_get_version(tls_.get()); }

std::string LoopbackClient::server_certificate() const {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, SSL_get0_peer_certificate(tls_.get()));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

void LoopbackClient::send_close_notify() { SSL_shutdown(tls_.get()); }

void LoopbackClient::update_key() {
  EXPECT_EQ(SSL_key_update(tls_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
  EXPECT_EQ(SSL_do_handshake(tls_.get()), 1);
}

void LoopbackClient::receive_at_most(int bytes) {
  EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
}

void LoopbackClient::close() {
  tls_.reset();
  socket_.reset();
}

void LoopbackClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server closed; what it answered is still to be read
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void LoopbackClient::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

bool LoopbackClient::fill() {
  char buffer[4096];
  const auto got = tls_ ? SSL_read(tls_.get(), buffer, sizeof buffer) : ::recv(socket_.get(), buffer, sizeof buffer, 0);
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
