// One field of an upsert: absent keeps what is stored, null resets it to its default, a value replaces it
// (policy.md section 6).
#pragma once

#include <optional>
#include <utility>

namespace egress::server {

template <typename T>
struct Change {
  bool present = false;
  std::optional<T> value;

  // For a field that may be unset.
  void apply_to(std::optional<T>& stored) const {
    if (present) stored = value;
  }
  // For a field whose default is T().
  void apply_to(T& stored) const {
    if (present) stored = value.value_or(T());
  }
};

template <typename T>
Change<T> change_to(T value) {
  return {true, std::move(value)};
}

}  // namespace egress::server
