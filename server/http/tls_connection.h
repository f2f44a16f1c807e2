// The server's side of one TLS connection over a non-blocking socket. Every call does what can be done at once and says
// what to wait for. Keeps no buffer while nothing is under way. Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>

#include "server/http/io_step.h"

struct ssl_st;
struct ssl_ctx_st;

namespace egress::server {

class TlsConnection {
 public:
  // Takes a reference of the context; `descriptor` stays its owner's and must outlive the connection.
  TlsConnection(ssl_ctx_st* context, int descriptor);

  IoStep handshake();
  IoStep read(void* into, std::size_t size);
  IoStep write(const void* from, std::size_t size);  // may take a part; to be repeated with the same bytes
  IoStep peek();                                     // finished: there is data to read

  // close_notify, if there is room for it. What the peer still sends is not read.
  void say_goodbye();

 private:
  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  IoStep conclude(int result, std::size_t bytes);

  std::unique_ptr<ssl_st, Free> ssl_;
  bool broken_ = false;  // a fatal error: OpenSSL must not be asked for anything more
};

}  // namespace egress::server
