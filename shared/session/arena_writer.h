// The agent's side of a session arena: creates the memory, publishes generations, keeps the bindings. One thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/compile/link_stack.h"
#include "shared/net/address.h"
#include "shared/session/arena.h"

namespace egress {

struct BindingLifetimes {
  std::int64_t min_ms = 300'000;
  std::int64_t max_ms = 86'400'000;
  std::int64_t default_ms = 3'600'000;
};

class ArenaWriter {
 public:
  // A memfd of kArenaBytes, sparse, sealed so that nobody else can ever write it. Locks the owner mutex in the calling
  // thread, whose death the kernel then announces: call it from the agent's main thread, and destroy it there.
  static Expected<std::unique_ptr<ArenaWriter>> create(std::uint64_t session_id);
  ~ArenaWriter();
  ArenaWriter(const ArenaWriter&) = delete;
  ArenaWriter& operator=(const ArenaWriter&) = delete;

  int fd() const { return fd_.get(); }
  std::uint64_t generation() const { return generation_; }

  // Writes the table, labels every live binding by `stack.names`, then publishes. A name that cannot be judged stays
  // unlabelled, which denies. kTooLarge if the table does not fit; then nothing changes. O(table + bindings).
  Expected<void> publish(const LinkedStack& stack, UnixMillis valid_until_ms, UnixMillis now_ms);
  void set_valid_until(UnixMillis valid_until_ms);

  // Binds `name` (canonical) to each address until its lifetime ends; renews what is there. `ttl_ms` < 0: unknown.
  // In place for every process of the session when it returns. Past the bounds, evicts what was used longest ago.
  // `names` must be the index of the stack last published.
  void bind(const std::string& name, std::span<const Address> addresses, std::int64_t ttl_ms, const NameIndex& names,
            UnixMillis now_ms);
  // An allowed connect renews the binding, up to max_ms after its resolution.
  void renew(Address address, std::uint32_t name_id, UnixMillis now_ms);
  void set_lifetimes(const BindingLifetimes& lifetimes) { lifetimes_ = lifetimes; }

  // Empty if unknown.
  std::string name_of(std::uint32_t name_id) const;
  // Every fresh name of an address, most recently resolved first.
  std::vector<std::string> names_of(Address address, UnixMillis now_ms) const;

  std::uint64_t evictions() const { return evictions_; }
  // How often a name could not be judged, or found no room in the region: its connections are denied.
  std::uint64_t unjudged() const { return unjudged_; }
  std::size_t binding_count() const { return uses_.size(); }

 private:
  struct Binding {
    Address address;
    std::uint32_t name_id = 0;
    std::uint32_t slot = 0;
    std::int64_t ttl_ms = 0;
    UnixMillis resolved_at_ms = 0;
    UnixMillis expires_at_ms = 0;
  };
  using Uses = std::list<Binding>;  // the least recently used first
  struct Name {
    std::string text;
    std::uint32_t bindings = 0;
    std::uint64_t label = 0;  // packed; valid if is_label_for(label, generation)
  };
  struct AddressHash {
    std::size_t operator()(Address a) const noexcept { return binding_home(a); }
  };

  ArenaWriter(UniqueFd fd, std::byte* base) : fd_(std::move(fd)), base_(base) {}

  ArenaHeader& header() const { return *reinterpret_cast<ArenaHeader*>(base_); }
  BindingSlot& slot_at(std::size_t index) const {
    return reinterpret_cast<BindingSlot*>(base_ + kBindingsOffset)[index % kBindingSlots];
  }
  std::uint32_t intern_name(const std::string& name);
  void bind_one(Address address, std::uint32_t name_id, std::int64_t ttl_ms, UnixMillis now_ms);
  void make_room(Address address);
  std::uint32_t claim_slot(Address address);
  void take_slot(const Binding& binding);
  void update_slot(const Binding& binding);
  void release_slot(std::uint32_t slot);
  void evict(Uses::iterator binding);
  void remove(Uses::iterator binding);
  void remove_expired(UnixMillis now_ms);
  void forget_unused_names();
  // The name's label for `generation`, appended to its region if it is not there yet; 0 if it cannot be judged or the
  // region is full.
  std::uint64_t label_for(Name& name, std::uint64_t generation, const NameIndex& names);

  UniqueFd fd_;
  std::byte* base_;
  std::uint64_t generation_ = 0;
  std::size_t region_used_ = 0;  // bytes of the region being written to, labels included
  std::map<std::vector<RuleRef>, std::uint32_t> region_labels_;  // offsets of the labels already in that region
  BindingLifetimes lifetimes_;
  Uses uses_;
  std::unordered_map<Address, std::vector<Uses::iterator>, AddressHash> by_address_;
  std::unordered_map<std::uint32_t, Uses::iterator> by_slot_;
  std::unordered_map<std::string, std::uint32_t> name_ids_;
  std::unordered_map<std::uint32_t, Name> names_;
  std::uint32_t next_name_id_ = 1;
  std::uint64_t evictions_ = 0;
  std::uint64_t unjudged_ = 0;
};

}  // namespace egress
