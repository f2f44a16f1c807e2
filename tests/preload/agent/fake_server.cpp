#include "tests/preload/agent/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace egress {
namespace {

std::shared_ptr<SSL_CTX> make_tls(const TlsAuthority::Issued& issued, int newest_tls) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  BIO* certificate_text = BIO_new_mem_buf(issued.certificate.data(), static_cast<int>(issued.certificate.size()));
  BIO* key_text = BIO_new_mem_buf(issued.key.data(), static_cast<int>(issued.key.size()));
  X509* certificate = PEM_read_bio_X509(certificate_text, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
  if (SSL_CTX_use_certificate(context.get(), certificate) != 1 || SSL_CTX_use_PrivateKey(context.get(), key) != 1) {
    throw std::runtime_error("a certificate that cannot be used");
  }
  if (newest_tls != 0) {
    SSL_CTX_set_security_level(context.get(), 0);  // or OpenSSL itself would refuse the old ones
    SSL_CTX_set_min_proto_version(context.get(), newest_tls);
    SSL_CTX_set_max_proto_version(context.get(), newest_tls);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_text);
  BIO_free(key_text);
  return context;
}

// One connection's bytes, plain or TLS.
class Line {
 public:
  Line(int socket, SSL_CTX* tls) : socket_(socket), ssl_(tls != nullptr ? SSL_new(tls) : nullptr, SSL_free) {
    if (ssl_) SSL_set_fd(ssl_.get(), socket);
  }
  bool begin() { return !ssl_ || SSL_accept(ssl_.get()) == 1; }
  ssize_t receive(char* into, std::size_t size) {
    return ssl_ ? SSL_read(ssl_.get(), into, static_cast<int>(size)) : ::recv(socket_, into, size, 0);
  }
  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

 private:
  int socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

// Reads up to the header's end, then the body by Content-Length. False at the connection's end.
bool read_request(Line& line, std::string& pending, FakeServer::Request& request) {
  char block[16 * 1024];
  std::size_t header_end = std::string::npos;
  while ((header_end = pending.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t size = line.receive(block, sizeof block);
    if (size <= 0) return false;
    pending.append(block, static_cast<std::size_t>(size));
  }
  request = {};
  std::size_t at = pending.find("\r\n");
  const std::string first = pending.substr(0, at);
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(first.find(' ') + 1, first.rfind(' ') - first.find(' ') - 1);
  while (at < header_end) {
    const std::size_t next = pending.find("\r\n", at + 2);
    const std::string field = pending.substr(at + 2, next - at - 2);
    std::string name = field.substr(0, field.find(':'));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = field.substr(std::min(field.size(), field.find(':') + 2));
    at = next;
  }
  const std::size_t length =
      request.headers.contains("content-length") ? std::stoul(request.headers["content-length"]) : 0;
  while (pending.size() < header_end + 4 + length) {
    const ssize_t size = line.receive(block, sizeof block);
    if (size <= 0) return false;
    pending.append(block, static_cast<std::size_t>(size));
  }
  request.body = pending.substr(header_end + 4, length);
  pending.erase(0, header_end + 4 + length);
  return true;
}

std::string render(const FakeServer::Response& response) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " Scripted\r\n";
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  if (response.status != 304) text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  return text + "\r\n" + (response.status == 304 ? "" : response.body);
}

}  // namespace

FakeServer::FakeServer(Handler handler, const std::optional<TlsAuthority::Issued>& certificate, int newest_tls)
    : handler_(std::move(handler)) {
  if (certificate) tls_ = make_tls(*certificate, newest_tls);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 64) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  changed_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
  for (const int socket : sockets_) ::close(socket);
}

unsigned FakeServer::connections() const {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(sockets_.size());
}

void FakeServer::wait_until_stopped() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_; });
}

void FakeServer::accept_all() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (socket < 0 || stopped_) {
      if (socket >= 0) ::close(socket);
      return;
    }
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void FakeServer::serve(int socket) {
  Line line(socket, tls_.get());
  std::string pending;
  Request request;
  if (!line.begin()) return ::shutdown(socket, SHUT_RDWR), void();
  while (read_request(line, pending, request)) {
    const Response response = handler_(request);
    if (!response.raw.empty()) {
      line.send_all(response.raw);
      break;
    }
    if (!line.send_all(render(response)) || response.close) break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

}  // namespace egress
