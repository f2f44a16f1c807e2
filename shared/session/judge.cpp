#include "shared/session/judge.h"

#include <new>

#include "shared/session/arena.h"

namespace egress {
namespace {

// An attempt is lost only to policies that were published meanwhile, so losing this often, some milliseconds, takes an
// agent that does nothing else, or memory that is no arena.
constexpr int kMaxAttempts = 4096;
// After so many attempts a verdict of the generation just superseded will do: it was in force when the judging began,
// and its region is written to again only after one more was published.
constexpr int kMaxStrictAttempts = 8;
constexpr int kMaxSlotReads = 1024;

const ArenaHeader& header_of(const std::byte* arena) noexcept { return *reinterpret_cast<const ArenaHeader*>(arena); }

// A consistent copy of one slot.
struct SlotCopy {
  std::uint32_t name_id = 0;
  Address address;
  std::int64_t expires_at_ms = 0;
  std::int64_t resolved_at_ms = 0;
  std::uint64_t label = 0;
};

// False if the slot changed hands as often as we looked.
bool read_slot(const BindingSlot& slot, std::uint64_t generation, SlotCopy& copy) noexcept {
  for (int i = 0; i < kMaxSlotReads; ++i) {
    const std::uint32_t before = slot.sequence.load(std::memory_order_acquire);
    copy.name_id = slot.name_id.load(std::memory_order_acquire);
    if (copy.name_id == BindingSlot::kEmpty || copy.name_id == BindingSlot::kRemoved) return true;
    copy.address.high = slot.address_high.load(std::memory_order_relaxed);
    copy.address.low = slot.address_low.load(std::memory_order_relaxed);
    copy.expires_at_ms = slot.expires_at_ms.load(std::memory_order_relaxed);
    copy.resolved_at_ms = slot.resolved_at_ms.load(std::memory_order_relaxed);
    copy.label = slot.label[generation % kRegionCount].load(std::memory_order_acquire);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && slot.sequence.load(std::memory_order_relaxed) == before) return true;
  }
  return false;
}

// The names of an address, most recently resolved first.
class Candidates {
 public:
  Candidates(const std::byte* region, std::uint64_t generation) noexcept : region_(region), generation_(generation) {}

  void collect(const std::byte* arena, Address address, UnixMillis now_ms) noexcept {
    const auto* slots = reinterpret_cast<const BindingSlot*>(arena + kBindingsOffset);
    const std::size_t home = binding_home(address);
    for (std::size_t probe = 0; probe < kMaxProbes; ++probe) {
      SlotCopy copy;
      if (!read_slot(slots[(home + probe) % kBindingSlots], generation_, copy)) {
        insert({}, now_ms);  // it may be this address under a blocked name: unlabelled, which denies
        continue;
      }
      if (copy.name_id == BindingSlot::kEmpty) return;
      if (copy.name_id == BindingSlot::kRemoved) continue;
      if (copy.address == address && copy.expires_at_ms > now_ms) insert(copy, copy.resolved_at_ms);
    }
  }

  std::span<const Candidate> all() const noexcept { return {reinterpret_cast<const Candidate*>(storage_), count_}; }

 private:
  void insert(const SlotCopy& copy, std::int64_t resolved_at_ms) noexcept {
    if (count_ == kMaxNamesPerAddress) return;  // the writer keeps to the limit
    auto* candidates = reinterpret_cast<Candidate*>(storage_);
    std::size_t at = count_++;
    for (; at > 0 && resolved_at_ms_[at - 1] < resolved_at_ms; --at) {
      new (&candidates[at]) Candidate(candidates[at - 1]);
      resolved_at_ms_[at] = resolved_at_ms_[at - 1];
    }
    new (&candidates[at]) Candidate(make_candidate(copy));
    resolved_at_ms_[at] = resolved_at_ms;
  }

  Candidate make_candidate(const SlotCopy& copy) const noexcept {
    Candidate candidate;
    candidate.name_id = copy.name_id;
    candidate.labelled = false;
    if (!is_label_for(copy.label, generation_)) return candidate;
    const std::size_t offset = label_offset(copy.label);
    constexpr std::size_t kLabelHeaderBytes = 8;
    if (offset % 8 != 0 || offset + kLabelHeaderBytes > kRegionBytes) return candidate;
    const std::uint32_t count = *reinterpret_cast<const std::uint32_t*>(region_ + offset);
    if (count > (kRegionBytes - offset - kLabelHeaderBytes) / sizeof(RuleRef)) return candidate;
    candidate.label = {reinterpret_cast<const RuleRef*>(region_ + offset + kLabelHeaderBytes), count};
    candidate.labelled = true;
    return candidate;
  }

  const std::byte* region_;
  std::uint64_t generation_;
  std::size_t count_ = 0;
  // Most connections have no candidate or one: the others are never initialised.
  alignas(Candidate) std::byte storage_[kMaxNamesPerAddress * sizeof(Candidate)];
  std::int64_t resolved_at_ms_[kMaxNamesPerAddress];
};

Decision judge_generation(const std::byte* arena, std::uint64_t generation, const ConnectionFacts& facts,
                          bool& readable) noexcept {
  const std::byte* region = arena + region_offset(generation);
  const auto& region_header = *reinterpret_cast<const RegionHeader*>(region);
  ConnectTable table;
  readable = region_header.generation == generation && region_header.table_bytes <= kMaxTableBytes &&
             table.open(region + sizeof(RegionHeader), region_header.table_bytes);
  if (!readable) return {};
  Candidates candidates(region, generation);
  candidates.collect(arena, facts.address, facts.now_ms);
  return evaluate(table, facts, candidates.all());
}

}  // namespace

Judgement judge(const std::byte* arena, const ConnectionFacts& facts) noexcept {
  const ArenaHeader& header = header_of(arena);
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::uint64_t generation = header.generation.load(std::memory_order_acquire);
    if (generation == 0) return {};
    bool readable = false;
    const Decision decision = judge_generation(arena, generation, facts, readable);
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t superseded_by = header.generation.load(std::memory_order_relaxed) - generation;
    if (readable && superseded_by <= (attempt < kMaxStrictAttempts ? 0u : 1u)) return {decision, generation};
  }
  return {};
}

bool is_owner_dead(const std::byte* arena) noexcept {
  return (header_of(arena).owner_word.load(std::memory_order_acquire) & kOwnerDied) != 0;
}

bool is_still_valid(const std::byte* arena, UnixMillis now_ms) noexcept {
  return header_of(arena).valid_until_ms.load(std::memory_order_acquire) > now_ms;
}

}  // namespace egress
