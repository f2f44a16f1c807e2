// What may be absent, as the API and the audit show it: null then.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "shared/base/time_text.h"

namespace egress::server {

// RFC 3339.
inline nlohmann::ordered_json time_or_null(const std::optional<UnixMillis>& time_ms) {
  return time_ms ? nlohmann::ordered_json(format_time(*time_ms)) : nlohmann::ordered_json(nullptr);
}

// Of an enumeration with a name_of().
template <typename Enum>
nlohmann::ordered_json name_or_null(const std::optional<Enum>& value) {
  return value ? nlohmann::ordered_json(name_of(*value)) : nlohmann::ordered_json(nullptr);
}

}  // namespace egress::server
