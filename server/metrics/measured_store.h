// A store that measures another one's writes.
#pragma once

#include "server/metrics/metrics.h"
#include "server/store/store.h"

namespace egress::server {

class MeasuredStore final : public Store {
 public:
  MeasuredStore(Store& store, Metrics& metrics) : store_(store), metrics_(metrics) {}

 protected:
  Expected<void> run_read(const std::function<void(Reader&)>& body) override;
  Expected<void> run_write(const std::function<bool(Writer&)>& body) override;

 private:
  Store& store_;
  Metrics& metrics_;
};

}  // namespace egress::server
