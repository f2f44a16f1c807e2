// Addresses from 240.0.0.0/4 (reserved) that stand for refused names: one a name, reused, so that the connect that
// follows a refused lookup is recorded with the name. Bounded: past the limit the oldest is given to the newest name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/net/address.h"

namespace egress {

inline constexpr std::size_t kMaxSyntheticNames = 16'384;

class SyntheticAddresses {
 public:
  explicit SyntheticAddresses(std::size_t capacity = kMaxSyntheticNames) : capacity_(capacity) {}

  Address address_of(const std::string& name) {
    if (const auto known = index_.find(name); known != index_.end()) return at(known->second);
    const std::size_t slot = next_;
    next_ = (next_ + 1) % capacity_;
    if (slot < names_.size()) {
      index_.erase(names_[slot]);
      names_[slot] = name;
    } else {
      names_.push_back(name);
    }
    index_[name] = slot;
    return at(slot);
  }

 private:
  static constexpr std::uint32_t kFirst = 0xf000'0002;  // 240.0.0.2
  static Address at(std::size_t slot) { return make_ipv4(kFirst + static_cast<std::uint32_t>(slot)); }

  std::size_t capacity_;
  std::size_t next_ = 0;
  std::vector<std::string> names_;  // by slot
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace egress
