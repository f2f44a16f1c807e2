// The event ring: one memfd a process image, written by the workload without locks, read by the agent with pread
// (architecture.md, "Ring"). A ticket is taken even when the ring is full, so that
//   happened = tickets, recorded = valid slots, dropped = tickets - recorded: exact by construction.
// Everything in it is hostile to the agent, which never maps it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "shared/net/address.h"

namespace egress {

inline constexpr std::uint32_t kRingMagic = 0x474e5245;  // "ERNG"
inline constexpr std::uint32_t kRingFormat = 1;
inline constexpr std::size_t kRingSlots = 512;
static_assert((kRingSlots & (kRingSlots - 1)) == 0);

// A judged call. Enumerations are those of policy/names.h.
struct RingEvent {
  std::int64_t time_ns = 0;  // CLOCK_REALTIME at the call
  std::uint64_t generation = 0;
  std::uint64_t address_high = 0;
  std::uint64_t address_low = 0;
  std::uint32_t name_id = 0;
  std::uint32_t rule = 0;
  std::uint32_t pid = 0;
  std::uint16_t layer = 0;
  std::uint16_t port = 0;
  std::uint8_t transport = 0;
  std::uint8_t verdict = 0;
  std::uint8_t reason = 0;
  std::uint8_t reserved[5] = {};
};
static_assert(sizeof(RingEvent) == 56 && std::is_trivially_copyable_v<RingEvent>);

struct RingSlot {
  std::atomic<std::uint64_t> ticket;  // 1 + the ticket of the event it holds; stored last
  RingEvent event;
  std::uint32_t checksum;
  std::uint32_t reserved;
};
static_assert(sizeof(RingSlot) == 72);

struct RingHeader {
  std::uint32_t magic;
  std::uint32_t format;
  alignas(64) std::atomic<std::uint64_t> tickets;   // events that happened
  alignas(64) std::atomic<std::uint64_t> consumed;  // tickets the agent is done with; only the agent writes it
};

inline constexpr std::size_t kRingSlotsOffset = 4096;
static_assert(sizeof(RingHeader) <= kRingSlotsOffset);
inline constexpr std::size_t kRingBytes = 40960 + kRingSlotsOffset;
static_assert(kRingSlotsOffset + kRingSlots * sizeof(RingSlot) <= kRingBytes);
inline constexpr std::size_t kRingTicketsOffset = 64;
inline constexpr std::size_t kRingConsumedOffset = 128;
static_assert(offsetof(RingHeader, tickets) == kRingTicketsOffset);
static_assert(offsetof(RingHeader, consumed) == kRingConsumedOffset);

// Ties an event to its ticket, so that a torn or stale slot is told from a whole one. Not a defence against forgery.
inline std::uint32_t ring_checksum(const RingEvent& event, std::uint64_t ticket) noexcept {
  std::uint64_t words[sizeof(RingEvent) / 8];
  std::memcpy(words, &event, sizeof event);
  std::uint64_t h = ticket ^ 0x9e37'79b9'7f4a'7c15;
  for (const std::uint64_t word : words) {
    h = (h ^ word) * 0xff51'afd7'ed55'8ccd;
    h ^= h >> 32;
  }
  return static_cast<std::uint32_t>(h);
}

// The workload's side. `ring` is a read-write mapping of kRingBytes. Async-signal-safe.
inline void record_event(std::byte* ring, const RingEvent& event) noexcept {
  auto& header = *reinterpret_cast<RingHeader*>(ring);
  const std::uint64_t ticket = header.tickets.fetch_add(1, std::memory_order_relaxed);
  if (ticket - header.consumed.load(std::memory_order_acquire) >= kRingSlots) return;  // dropped, and counted so
  auto& slot = reinterpret_cast<RingSlot*>(ring + kRingSlotsOffset)[ticket % kRingSlots];
  slot.event = event;
  slot.checksum = ring_checksum(event, ticket);
  slot.ticket.store(ticket + 1, std::memory_order_release);
}

}  // namespace egress
