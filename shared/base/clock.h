// The clock seam: everything that asks for the time takes a Clock, so that tests own time.
#pragma once

#include <chrono>
#include <cstdint>

namespace egress {

// Wall-clock time in milliseconds since the Unix epoch. Expiries are absolute wall-clock instants.
using UnixMillis = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMillis now_ms() const = 0;
};

class SystemClock final : public Clock {
 public:
  UnixMillis now_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

class FakeClock final : public Clock {
 public:
  explicit FakeClock(UnixMillis now_ms) : now_ms_(now_ms) {}
  UnixMillis now_ms() const override { return now_ms_; }
  void advance_ms(UnixMillis delta_ms) { now_ms_ += delta_ms; }

 private:
  UnixMillis now_ms_;
};

}  // namespace egress
