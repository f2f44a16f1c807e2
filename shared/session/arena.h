// The session arena: shared memory that the agent writes and every process of a session maps read-only, once
// (architecture.md, "Shared memory"). This file is the format; arena_writer.h writes it, judge.h reads it.
//
//   header (one page) | binding slots | region 0 | region 1 | region 2
//
// Generation g lives in region g % 3, so a region is reused only after two later generations were published. A reader
// takes `generation`, evaluates with bounds checks, and takes it again: if it moved by then, it starts over.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.h"
#include "shared/net/address.h"

namespace egress {

inline constexpr std::uint32_t kArenaMagic = 0x4e524145;  // "EARN"
inline constexpr std::uint32_t kArenaFormat = 1;
inline constexpr std::size_t kArenaPageBytes = 4096;
inline constexpr std::size_t kRegionCount = 3;
inline constexpr std::size_t kRegionBytes = 32u << 20;
inline constexpr std::size_t kBindingSlots = 2 * kMaxBindingsPerSession;  // open addressing, at most half full
inline constexpr std::size_t kMaxProbes = 128;  // no binding lies further than this from its home slot

// FUTEX_OWNER_DIED, which the kernel sets in `owner_word` when the agent's main thread dies.
inline constexpr std::uint32_t kOwnerDied = 0x4000'0000;

struct ArenaHeader {
  std::uint32_t magic;
  std::uint32_t format;
  std::uint64_t total_bytes;
  alignas(64) std::atomic<std::uint64_t> generation;  // 0: none published yet
  std::atomic<std::int64_t> valid_until_ms;           // past it, with the agent dead, the policy no longer holds
  std::atomic<std::uint64_t> session_id;
  alignas(64) std::atomic<std::uint32_t> owner_word;  // first word of the agent's robust mutex (owner_storage)
  unsigned char owner_storage[60];
};
static_assert(sizeof(ArenaHeader) <= kArenaPageBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

// One (address, name). `name_id` is stored last when the slot is taken and first when it is given up; `sequence` counts
// the takings (odd during one), so that a reader knows when what it read belongs to two bindings. Expiry, order and
// labels change in place, each by one store: a reader never waits for the agent, which may be stopped at any
// instruction.
struct BindingSlot {
  static constexpr std::uint32_t kEmpty = 0;
  static constexpr std::uint32_t kRemoved = 0xffff'ffff;  // a probe goes on past it

  std::atomic<std::uint32_t> sequence;
  std::atomic<std::uint32_t> name_id;  // kEmpty, kRemoved, or the agent's id of the name
  std::atomic<std::uint64_t> address_high;
  std::atomic<std::uint64_t> address_low;
  std::atomic<std::int64_t> expires_at_ms;
  std::atomic<std::int64_t> resolved_at_ms;  // later: judged first
  // For each region: low 32 bits of the generation the label was written for, then the label's offset in the region.
  std::atomic<std::uint64_t> label[kRegionCount];
};
static_assert(sizeof(BindingSlot) == 64);

constexpr std::uint64_t pack_label(std::uint64_t generation, std::uint32_t offset) noexcept {
  return generation << 32 | offset;
}
constexpr bool is_label_for(std::uint64_t label, std::uint64_t generation) noexcept {
  return label >> 32 == (generation & 0xffff'ffff) && label != 0;
}
constexpr std::uint32_t label_offset(std::uint64_t label) noexcept { return static_cast<std::uint32_t>(label); }

// Followed by the connect table (evaluate/connect_table.h), then by labels, which the agent appends while the
// generation is live: {std::uint32_t count, std::uint32_t 0, RuleRef[count]}, aligned to 8.
struct RegionHeader {
  std::uint64_t generation;
  std::uint32_t table_bytes;
  std::uint32_t reserved;
  unsigned char padding[48];
};
static_assert(sizeof(RegionHeader) == 64);

inline constexpr std::size_t kBindingsOffset = kArenaPageBytes;
inline constexpr std::size_t kRegionsOffset = kBindingsOffset + kBindingSlots * sizeof(BindingSlot);
inline constexpr std::size_t kArenaBytes = kRegionsOffset + kRegionCount * kRegionBytes;
inline constexpr std::size_t kMaxTableBytes = kRegionBytes - sizeof(RegionHeader) - (8u << 20);  // the rest is labels

constexpr std::size_t region_offset(std::uint64_t generation) noexcept {
  return kRegionsOffset + static_cast<std::size_t>(generation % kRegionCount) * kRegionBytes;
}

// Home slot of an address.
constexpr std::size_t binding_home(Address a) noexcept {
  std::uint64_t h = (a.high ^ (a.high >> 29)) * 0x9e37'79b9'7f4a'7c15 + a.low;
  h = (h ^ (h >> 32)) * 0xd6e8'feb8'6659'fd93;
  h ^= h >> 32;
  return static_cast<std::size_t>(h % kBindingSlots);
}

}  // namespace egress
