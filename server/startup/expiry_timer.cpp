#include "server/startup/expiry_timer.h"

#include <spdlog/spdlog.h>

#include <chrono>

namespace egress::server {
namespace {

constexpr std::chrono::seconds kPeriod{1};

}  // namespace

ExpiryTimer::ExpiryTimer(Store& store, const Clock& clock) : watch_(store), clock_(clock), thread_([this] { run(); }) {}

ExpiryTimer::~ExpiryTimer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

void ExpiryTimer::run() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto broken = watch_.run_due(clock_.now_ms());
    if (!broken && !failing) spdlog::error("expired entries cannot be looked at: {}", broken.error().message);
    failing = !broken;
    if (broken && *broken > 0) spdlog::warn("{} namespaces are broken by entries that expired above them", *broken);
    lock.lock();
    stop_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

}  // namespace egress::server
