// The project's version, from CMake.
#pragma once

#include <string_view>

namespace egress {

inline constexpr std::string_view kVersion = EGRESS_VERSION;

}  // namespace egress
