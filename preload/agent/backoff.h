// Exponential backoff with jitter: each failure doubles the ceiling, the wait is drawn from its upper half, so that a
// thousand agents that lost one server do not come back in step.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace egress {

class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Backoff(Milliseconds first, Milliseconds limit) : first_(first), limit_(limit), ceiling_(first) {}

  void reset() { ceiling_ = first_; }

  Milliseconds next() {
    std::uniform_int_distribution<Milliseconds::rep> draw(ceiling_.count() / 2, ceiling_.count());
    const Milliseconds wait(draw(random_));
    ceiling_ = std::min(limit_, ceiling_ * 2);
    return wait;
  }

 private:
  Milliseconds first_;
  Milliseconds limit_;
  Milliseconds ceiling_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace egress
