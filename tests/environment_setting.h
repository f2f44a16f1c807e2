// What a test takes from the environment to run longer, or once more as it ran: EGRESS_SEED and its like.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace egress {

inline std::uint64_t setting(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace egress
