// The HTTP/1.1 server: listens, runs one coroutine a connection on a few I/O threads and handlers on worker threads,
// and stops within a bound. Knows the route table, not what stands behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/api/gate.h"
#include "server/http/access.h"
#include "server/http/http_limits.h"
#include "server/http/router.h"
#include "shared/base/error.h"
#include "shared/net/address.h"

namespace egress::server {

class HttpServer {
 public:
  // Listening when it returns; port 0 takes a free one. kUnavailable if the address cannot be bound. The gate
  // outlives the server.
  static Expected<std::unique_ptr<HttpServer>> start(Address address, std::uint16_t port, Router router,
                                                     const HttpLimits& limits, Gate& gate,
                                                     AllowedHosts allowed_hosts = {});
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
