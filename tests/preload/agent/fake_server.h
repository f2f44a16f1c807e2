// A real HTTP server on loopback, port 0, with scripted answers: one thread a connection, any bytes it is told to send.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/tls_authority.h"

struct ssl_ctx_st;

namespace egress {

class FakeServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
  };
  struct Response {
    unsigned status = 200;
    std::map<std::string, std::string> headers{};
    std::string body{};
    std::string raw{};   // sent instead of all the above, then the connection is closed
    bool close = false;  // after the answer, without saying so
  };
  // Called on the connection's thread; may block in wait_until_stopped().
  using Handler = std::function<Response(const Request&)>;

  // https with a certificate, or plain http. `newest_tls`: the highest version it speaks; 0: any.
  explicit FakeServer(Handler handler, const std::optional<TlsAuthority::Issued>& certificate = std::nullopt,
                      int newest_tls = 0);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string url() const { return (tls_ ? "https://" : "http://") + authority(); }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }
  unsigned connections() const;
  void wait_until_stopped();

 private:
  void accept_all();
  void serve(int socket);

  Handler handler_;
  std::shared_ptr<ssl_ctx_st> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::vector<int> sockets_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace egress
