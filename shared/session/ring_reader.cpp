#include "shared/session/ring_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace egress {
namespace {

tl::unexpected<Error> failed(const char* call) {
  return fail(ErrorCode::kUnavailable,
              std::string(call) + " for an event ring: " + std::generic_category().message(errno));
}

template <typename T>
bool read_at(int fd, T& value, std::size_t offset) {
  return ::pread(fd, &value, sizeof value, static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof value);
}

constexpr std::size_t slot_offset(std::uint64_t ticket) {
  return kRingSlotsOffset + static_cast<std::size_t>(ticket % kRingSlots) * sizeof(RingSlot);
}

}  // namespace

Expected<UniqueFd> create_ring() {
  UniqueFd fd(::memfd_create("egress-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return failed("memfd_create");
  // Every page exists from the start: a full tmpfs must fail here, not as a SIGBUS in the workload.
  if (::ftruncate(fd.get(), static_cast<off_t>(kRingBytes)) != 0) return failed("ftruncate");
  if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(kRingBytes)); error != 0) {
    errno = error;
    return failed("fallocate");
  }
  const std::uint32_t identity[2] = {kRingMagic, kRingFormat};
  if (::pwrite(fd.get(), identity, sizeof identity, 0) != sizeof identity) return failed("pwrite");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return failed("F_ADD_SEALS");
  return fd;
}

std::uint64_t RingReader::read_tickets() const {
  std::uint64_t tickets = 0;
  if (!read_at(fd_.get(), tickets, kRingTicketsOffset)) return next_;
  // The workload may write anything here. Tickets only rise; a value that falls or leaps absurdly is not believed.
  constexpr std::uint64_t kMaxLeap = std::uint64_t{1} << 40;
  return tickets < next_ || tickets - next_ > kMaxLeap ? next_ : tickets;
}

bool RingReader::read_event(std::uint64_t ticket, RingEvent& event) const {
  struct {
    std::uint64_t ticket;
    RingEvent event;
    std::uint32_t checksum;
    std::uint32_t reserved;
  } slot;
  static_assert(sizeof slot == sizeof(RingSlot));
  std::uint64_t again = 0;
  if (!read_at(fd_.get(), slot, slot_offset(ticket)) || !read_at(fd_.get(), again, slot_offset(ticket))) return false;
  if (slot.ticket != ticket + 1 || again != ticket + 1) return false;
  if (slot.checksum != ring_checksum(slot.event, ticket)) return false;
  event = slot.event;
  return true;
}

void RingReader::publish_consumed() {
  consumed_ = next_;
  // Failure leaves the ring looking full, which drops and counts.
  [[maybe_unused]] const ssize_t written =
      ::pwrite(fd_.get(), &next_, sizeof next_, static_cast<off_t>(kRingConsumedOffset));
}

void RingReader::settle(std::uint64_t limit, const std::function<void(const RingEvent&)>& consume) {
  RingEvent event;
  for (; next_ < limit; ++next_) {
    if (read_event(next_, event)) {
      ++recorded_;
      consume(event);
    } else {
      ++dropped_;
    }
  }
}

void RingReader::drain(UnixMillis now_ms, const std::function<void(const RingEvent&)>& consume) {
  const std::uint64_t tickets = read_tickets();
  const std::uint64_t window_end = consumed_ + kRingSlots;  // a ticket from there on was taken while the ring was full
  const std::uint64_t readable = std::min(tickets, window_end);
  RingEvent event;
  for (; next_ < readable && read_event(next_, event); ++next_) {
    ++recorded_;
    consume(event);
  }
  if (next_ < readable && next_ >= stalled_limit_) {  // a stall begins: what was taken so far gets its second
    stalled_limit_ = readable;
    stalled_since_ms_ = now_ms;
  } else if (next_ < readable && now_ms - stalled_since_ms_ >= kUncommittedMs) {
    settle(std::min(stalled_limit_, readable), consume);
  }
  if (next_ == window_end && tickets > window_end) {
    dropped_ += tickets - window_end;
    next_ = tickets;
  }
  if (next_ != consumed_) publish_consumed();
}

bool RingReader::seal() { return ::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0; }

void RingReader::drain_final(const std::function<void(const RingEvent&)>& consume) {
  const std::uint64_t tickets = read_tickets();
  settle(std::min(tickets, consumed_ + kRingSlots), consume);
  dropped_ += tickets - next_;
  next_ = tickets;
}

}  // namespace egress
