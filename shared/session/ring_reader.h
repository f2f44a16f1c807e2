// The agent's side of an event ring. Never maps the memory: reads with pread, believes nothing.
#pragma once

#include <cstdint>
#include <functional>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/session/ring.h"

namespace egress {

// A sealed, fallocated memfd of kRingBytes with its header written, ready to be given to a process.
Expected<UniqueFd> create_ring();

class RingReader {
 public:
  explicit RingReader(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  // Hands over the events committed since the last call, in ticket order. A ticket that stays uncommitted for
  // kUncommittedMs, or that was taken while the ring was full, is counted as dropped and skipped. At most kRingSlots
  // events a call.
  void drain(UnixMillis now_ms, const std::function<void(const RingEvent&)>& consume);

  // True once no process can write any more (F_SEAL_WRITE could be added): after one more drain_final() the ring is
  // done.
  bool seal();
  // After seal(): hands over what is left; every ticket not committed is dropped.
  void drain_final(const std::function<void(const RingEvent&)>& consume);

  std::uint64_t recorded() const { return recorded_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  bool read_event(std::uint64_t ticket, RingEvent& event) const;
  std::uint64_t read_tickets() const;
  void publish_consumed();
  // Deals with every ticket below `limit`: an event if its slot holds it, else a drop.
  void settle(std::uint64_t limit, const std::function<void(const RingEvent&)>& consume);

  UniqueFd fd_;
  std::uint64_t next_ = 0;      // the first ticket not yet dealt with
  std::uint64_t consumed_ = 0;  // as the writers see it: next_ at the end of the last drain
  std::uint64_t recorded_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t stalled_limit_ = 0;  // tickets below it were taken at or before stalled_since_ms_
  UnixMillis stalled_since_ms_ = 0;
};

inline constexpr std::int64_t kUncommittedMs = 1000;

}  // namespace egress
