// Tells metrics and access log what the HTTP server did.
#pragma once

#include "server/http/http_observer.h"
#include "server/metrics/metrics.h"

namespace egress::server {

class RequestObserver final : public HttpObserver {
 public:
  explicit RequestObserver(Metrics& metrics) : metrics_(metrics) {}

  void connection_opened() noexcept override { metrics_.connection_opened(); }
  void connection_closed() noexcept override { metrics_.connection_closed(); }
  void connection_refused() noexcept override { metrics_.connection_refused(); }
  void handshake_failed() noexcept override { metrics_.handshake_failed(); }
  void answered(const AnsweredRequest& request) noexcept override;

 private:
  Metrics& metrics_;
};

}  // namespace egress::server
