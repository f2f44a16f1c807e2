#include "shared/session/arena_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace egress {
namespace {

static_assert(sizeof(pthread_mutex_t) <= sizeof(ArenaHeader::owner_word) + sizeof(ArenaHeader::owner_storage));
static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0, "the futex word must come first");
static_assert(offsetof(ArenaHeader, owner_storage) == offsetof(ArenaHeader, owner_word) + 4);

// Names are kept a while after their last binding, so that events still in flight can be told apart.
constexpr std::size_t kMaxUnusedNames = kMaxBindingsPerSession;
constexpr std::size_t kLabelHeaderBytes = 8;

constexpr std::size_t align8(std::size_t n) { return (n + 7) / 8 * 8; }

pthread_mutex_t* owner_mutex(ArenaHeader& header) { return reinterpret_cast<pthread_mutex_t*>(&header.owner_word); }

tl::unexpected<Error> failed(const char* call, int error) {
  return fail(ErrorCode::kUnavailable,
              std::string(call) + " for a session arena: " + std::generic_category().message(error));
}

int lock_owner_mutex(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  int error = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  if (error == 0) error = pthread_mutex_lock(mutex);
  return error;
}

}  // namespace

Expected<std::unique_ptr<ArenaWriter>> ArenaWriter::create(std::uint64_t session_id) {
  UniqueFd fd(::memfd_create("egress-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return failed("memfd_create", errno);
  if (::ftruncate(fd.get(), static_cast<off_t>(kArenaBytes)) != 0) return failed("ftruncate", errno);
  void* mapped = ::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return failed("mmap", errno);
  std::unique_ptr<ArenaWriter> writer(new ArenaWriter(std::move(fd), static_cast<std::byte*>(mapped)));
  auto* header = new (mapped) ArenaHeader{};
  header->magic = kArenaMagic;
  header->format = kArenaFormat;
  header->total_bytes = kArenaBytes;
  header->session_id.store(session_id);
  if (const int error = lock_owner_mutex(owner_mutex(*header)); error != 0) return failed("pthread_mutex_lock", error);
  // This mapping stays writable; no later one can be, through whatever descriptor.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (::fcntl(writer->fd_.get(), F_ADD_SEALS, kSeals) != 0) return failed("F_ADD_SEALS", errno);
  return writer;
}

ArenaWriter::~ArenaWriter() {
  pthread_mutex_unlock(owner_mutex(header()));
  header().owner_word.store(kOwnerDied, std::memory_order_release);  // whoever still maps it must say hello again
  ::munmap(base_, kArenaBytes);
}

Expected<void> ArenaWriter::publish(const LinkedStack& stack, UnixMillis valid_until_ms, UnixMillis now_ms) {
  if (stack.connect_table.size() > kMaxTableBytes) {
    return fail(ErrorCode::kTooLarge, "the connect table has " + std::to_string(stack.connect_table.size()) +
                                          " bytes, the arena holds " + std::to_string(kMaxTableBytes));
  }
  remove_expired(now_ms);
  forget_unused_names();
  const std::uint64_t next = generation_ + 1;
  std::byte* region = base_ + region_offset(next);
  RegionHeader region_header{};
  region_header.generation = next;
  region_header.table_bytes = static_cast<std::uint32_t>(stack.connect_table.size());
  std::memcpy(region, &region_header, sizeof region_header);
  std::memcpy(region + sizeof region_header, stack.connect_table.data(), stack.connect_table.size());
  region_used_ = align8(sizeof region_header + stack.connect_table.size());
  region_labels_.clear();
  for (const Binding& binding : uses_) {
    Name& name = names_.at(binding.name_id);
    const std::uint64_t label = label_for(name, next, stack.names);
    slot_at(binding.slot).label[next % kRegionCount].store(label, std::memory_order_release);
  }
  header().valid_until_ms.store(valid_until_ms, std::memory_order_release);
  header().generation.store(next, std::memory_order_release);
  generation_ = next;
  return {};
}

void ArenaWriter::set_valid_until(UnixMillis valid_until_ms) {
  header().valid_until_ms.store(valid_until_ms, std::memory_order_release);
}

std::uint64_t ArenaWriter::label_for(Name& name, std::uint64_t generation, const NameIndex& names) {
  if (is_label_for(name.label, generation)) return name.label;
  const auto rules = names.find(name.text);
  if (!rules) return ++unjudged_, 0;
  auto known = region_labels_.find(*rules);
  if (known == region_labels_.end()) {
    const std::size_t size = kLabelHeaderBytes + rules->size() * sizeof(RuleRef);
    if (size > kRegionBytes - region_used_) return ++unjudged_, 0;
    std::byte* at = base_ + region_offset(generation) + region_used_;
    const std::uint32_t label_header[2] = {static_cast<std::uint32_t>(rules->size()), 0};
    std::memcpy(at, label_header, sizeof label_header);
    if (!rules->empty()) std::memcpy(at + kLabelHeaderBytes, rules->data(), rules->size() * sizeof(RuleRef));
    known = region_labels_.emplace(*rules, static_cast<std::uint32_t>(region_used_)).first;
    region_used_ += align8(size);
  }
  name.label = pack_label(generation, known->second);
  return name.label;
}

void ArenaWriter::bind(const std::string& name, std::span<const Address> addresses, std::int64_t ttl_ms,
                       const NameIndex& names, UnixMillis now_ms) {
  const std::uint32_t name_id = intern_name(name);
  if (generation_ != 0) label_for(names_.at(name_id), generation_, names);
  const std::int64_t wanted_ms = ttl_ms < 0 ? lifetimes_.default_ms : ttl_ms;
  const std::int64_t lifetime_ms = std::clamp(wanted_ms, lifetimes_.min_ms, lifetimes_.max_ms);
  if (uses_.size() + addresses.size() > kMaxBindingsPerSession) remove_expired(now_ms);
  for (const Address address : addresses) bind_one(canonical(address), name_id, lifetime_ms, now_ms);
}

void ArenaWriter::bind_one(Address address, std::uint32_t name_id, std::int64_t ttl_ms, UnixMillis now_ms) {
  auto& here = by_address_[address];
  const auto known = std::find_if(here.begin(), here.end(), [&](Uses::iterator b) { return b->name_id == name_id; });
  if (known != here.end()) {
    const Uses::iterator binding = *known;
    binding->ttl_ms = ttl_ms;
    binding->resolved_at_ms = now_ms;
    binding->expires_at_ms = now_ms + ttl_ms;
    uses_.splice(uses_.end(), uses_, binding);
    update_slot(*binding);
    return;
  }
  make_room(address);
  Binding binding;
  binding.address = address;
  binding.name_id = name_id;
  binding.ttl_ms = ttl_ms;
  binding.resolved_at_ms = now_ms;
  binding.expires_at_ms = now_ms + ttl_ms;
  binding.slot = claim_slot(address);
  const Uses::iterator use = uses_.insert(uses_.end(), binding);
  by_address_[address].push_back(use);  // looked up again: an eviction may have erased the entry
  by_slot_.emplace(binding.slot, use);
  ++names_.at(name_id).bindings;
  take_slot(*use);
}

void ArenaWriter::make_room(Address address) {
  if (const auto& here = by_address_[address]; here.size() >= kMaxNamesPerAddress) {
    evict(*std::min_element(here.begin(), here.end(),
                            [](Uses::iterator a, Uses::iterator b) { return a->resolved_at_ms < b->resolved_at_ms; }));
  }
  if (uses_.size() >= kMaxBindingsPerSession) evict(uses_.begin());
}

std::uint32_t ArenaWriter::claim_slot(Address address) {
  const std::size_t home = binding_home(address);
  for (std::size_t probe = 0; probe < kMaxProbes; ++probe) {
    const auto slot = static_cast<std::uint32_t>((home + probe) % kBindingSlots);
    if (!by_slot_.contains(slot)) return slot;
  }
  // A crowded neighbourhood, far from full as the table is: the least recently used in reach gives way.
  for (auto use = uses_.begin(); use != uses_.end(); ++use) {
    if ((use->slot + kBindingSlots - home) % kBindingSlots < kMaxProbes) {
      const std::uint32_t slot = use->slot;
      evict(use);
      return slot;
    }
  }
  assert(!"every slot in reach is taken, yet by no binding");
  return static_cast<std::uint32_t>(home);
}

void ArenaWriter::take_slot(const Binding& binding) {
  BindingSlot& slot = slot_at(binding.slot);  // empty or removed: readers pass it by
  slot.sequence.fetch_add(1, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_release);
  slot.address_high.store(binding.address.high, std::memory_order_relaxed);
  slot.address_low.store(binding.address.low, std::memory_order_relaxed);
  for (auto& label : slot.label) label.store(0, std::memory_order_relaxed);
  update_slot(binding);
  slot.sequence.fetch_add(1, std::memory_order_release);
  slot.name_id.store(binding.name_id, std::memory_order_release);
}

void ArenaWriter::update_slot(const Binding& binding) {
  BindingSlot& slot = slot_at(binding.slot);
  slot.expires_at_ms.store(binding.expires_at_ms, std::memory_order_relaxed);
  slot.resolved_at_ms.store(binding.resolved_at_ms, std::memory_order_relaxed);
  const std::uint64_t label = names_.at(binding.name_id).label;
  if (is_label_for(label, generation_)) slot.label[generation_ % kRegionCount].store(label, std::memory_order_release);
}

void ArenaWriter::release_slot(std::uint32_t index) {
  slot_at(index).name_id.store(BindingSlot::kRemoved, std::memory_order_release);
  // Where no probe needs to go on, removed slots become empty again, so that searches stay short.
  if (slot_at(index + 1).name_id.load(std::memory_order_relaxed) != BindingSlot::kEmpty) return;
  for (std::size_t at = index; slot_at(at).name_id.load(std::memory_order_relaxed) == BindingSlot::kRemoved;
       at = (at + kBindingSlots - 1) % kBindingSlots) {
    slot_at(at).name_id.store(BindingSlot::kEmpty, std::memory_order_release);
  }
}

void ArenaWriter::evict(Uses::iterator binding) {
  ++evictions_;
  remove(binding);
}

void ArenaWriter::remove(Uses::iterator binding) {
  auto& here = by_address_.at(binding->address);
  std::erase(here, binding);
  if (here.empty()) by_address_.erase(binding->address);
  by_slot_.erase(binding->slot);
  --names_.at(binding->name_id).bindings;
  release_slot(binding->slot);
  uses_.erase(binding);
}

void ArenaWriter::remove_expired(UnixMillis now_ms) {
  for (auto use = uses_.begin(); use != uses_.end();) {
    const auto current = use++;
    if (current->expires_at_ms <= now_ms) remove(current);
  }
}

void ArenaWriter::renew(Address address, std::uint32_t name_id, UnixMillis now_ms) {
  const auto here = by_address_.find(canonical(address));
  if (here == by_address_.end()) return;
  for (const Uses::iterator binding : here->second) {
    if (binding->name_id != name_id) continue;
    const UnixMillis latest = binding->resolved_at_ms + lifetimes_.max_ms;
    binding->expires_at_ms = std::max(binding->expires_at_ms, std::min(now_ms + binding->ttl_ms, latest));
    uses_.splice(uses_.end(), uses_, binding);
    update_slot(*binding);
    return;
  }
}

std::uint32_t ArenaWriter::intern_name(const std::string& name) {
  const auto [entry, added] = name_ids_.emplace(name, next_name_id_);
  if (added) {
    names_.emplace(next_name_id_, Name{name, 0, 0});
    do {
      ++next_name_id_;
    } while (next_name_id_ == BindingSlot::kEmpty || next_name_id_ == BindingSlot::kRemoved ||
             names_.contains(next_name_id_));
  }
  return entry->second;
}

void ArenaWriter::forget_unused_names() {
  if (names_.size() < kMaxUnusedNames) return;
  for (auto name = names_.begin(); name != names_.end();) {
    if (name->second.bindings != 0) {
      ++name;
      continue;
    }
    name_ids_.erase(name->second.text);
    name = names_.erase(name);
  }
}

std::string ArenaWriter::name_of(std::uint32_t name_id) const {
  const auto name = names_.find(name_id);
  return name == names_.end() ? std::string() : name->second.text;
}

std::vector<std::string> ArenaWriter::names_of(Address address, UnixMillis now_ms) const {
  std::vector<std::string> result;
  const auto here = by_address_.find(canonical(address));
  if (here == by_address_.end()) return result;
  std::vector<Uses::iterator> fresh;
  for (const Uses::iterator binding : here->second) {
    if (binding->expires_at_ms > now_ms) fresh.push_back(binding);
  }
  std::sort(fresh.begin(), fresh.end(),
            [](Uses::iterator a, Uses::iterator b) { return a->resolved_at_ms > b->resolved_at_ms; });
  for (const Uses::iterator binding : fresh) result.push_back(names_.at(binding->name_id).text);
  return result;
}

}  // namespace egress
