// The HTTP/1.1 server: accepts from a Listener, runs one coroutine a connection on a few I/O threads and handlers on
// worker threads, and stops within a bound. Knows the route table, not what stands behind it.
#pragma once

#include <cstdint>
#include <memory>

#include "server/api/gate.h"
#include "server/http/access.h"
#include "server/http/http_limits.h"
#include "server/http/http_observer.h"
#include "server/http/listener.h"
#include "server/http/router.h"
#include "server/http/tls_context.h"
#include "shared/base/error.h"

namespace egress::server {

// What a server can do without.
struct HttpParts {
  AllowedHosts allowed_hosts{};
  std::shared_ptr<const TlsContext> tls{};  // null: plain HTTP
  HttpObserver* observer = nullptr;         // outlives the server
};

class HttpServer {
 public:
  // Accepting when it returns. kUnavailable if the listener's socket cannot be taken over. The gate outlives the
  // server.
  static Expected<std::unique_ptr<HttpServer>> start(Listener listener, Router router, const HttpLimits& limits,
                                                     Gate& gate, HttpParts parts = {});
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
