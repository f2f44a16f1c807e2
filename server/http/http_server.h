// The HTTP/1.1 server: listens, runs one coroutine a connection on a few I/O threads and handlers on worker threads,
// and stops within a bound. Knows the route table, not what stands behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/http/http_limits.h"
#include "server/http/http_observer.h"
#include "server/http/router.h"
#include "server/http/tls_context.h"
#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress::server {

// What a server can do without.
struct HttpParts {
  std::shared_ptr<const TlsContext> tls{};  // null: plain HTTP
  HttpObserver* observer = nullptr;         // outlives the server
};

class HttpServer {
 public:
  // Listening when it returns; port 0 takes a free one. kUnavailable if the address cannot be bound.
  static Expected<std::unique_ptr<HttpServer>> start(Address address, std::uint16_t port, Router router,
                                                     const HttpLimits& limits, HttpParts parts = {});
  ~HttpServer();

  std::uint16_t port() const;

  // Stops accepting, answers held polls, lets requests in flight finish for at most limits.stop, closes the rest, and
  // returns when every thread has ended: at the latest when the handlers that run then return. Idempotent.
  void stop();

 private:
  class Running;
  explicit HttpServer(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace egress::server
