// A raw TCP client: sends exactly the bytes it is told to and reads responses apart, so that tests can misbehave. TLS
// on demand, without looking at the certificate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/unique_fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace egress::server {

class LoopbackClient {
 public:
  explicit LoopbackClient(std::uint16_t port);

  // Speaks TLS from here on. False if the handshake fails; `newest`: the highest version offered, 0 for any.
  bool start_tls(int newest = 0);
  std::string tls_version() const;
  std::string server_certificate() const;  // PEM
  void send_close_notify();
  // TLS 1.3: new keys for what we send, a record that carries no data.
  void update_key();
  // Makes the kernel hold back what the server sends once it has this much.
  void receive_at_most(int bytes);

  void send(std::string_view bytes);
  void finish_sending();
  void close();

  struct Reply {
    int status = 0;  // 0: the connection ended before a whole response
    std::string head;
    std::string body;
  };
  // The next response, by Content-Length. `without_body` for HEAD.
  Reply receive(bool without_body = false);
  // Whether the server has closed; waits for it.
  bool at_end();

 private:
  bool fill();

  UniqueFd socket_;
  std::shared_ptr<ssl_ctx_st> context_;
  std::shared_ptr<ssl_st> tls_;
  std::string pending_;
};

}  // namespace egress::server
