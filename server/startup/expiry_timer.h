// The thread on which the expiry watch looks around: once when it starts, then every second, since the wall clock that
// ends entries may jump. What it cannot look at (the store is busy or full) it looks at again.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/service/expiry_watch.h"

namespace egress::server {

class ExpiryTimer {
 public:
  // Both must outlive this.
  ExpiryTimer(Store& store, const Clock& clock);
  ~ExpiryTimer();
  ExpiryTimer(const ExpiryTimer&) = delete;
  ExpiryTimer& operator=(const ExpiryTimer&) = delete;

 private:
  void run();

  ExpiryWatch watch_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // the last member: it uses the others
};

}  // namespace egress::server
