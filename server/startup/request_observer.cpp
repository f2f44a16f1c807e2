#include "server/startup/request_observer.h"

#include "server/startup/logging.h"

namespace egress::server {

void RequestObserver::answered(const AnsweredRequest& request) noexcept {
  const std::chrono::duration<double> took = request.took;
  metrics_.request_answered(request.method, request.pattern, request.status, took.count());
  log_access(request);
}

}  // namespace egress::server
