// What writer and readers of layer.fbs agree on besides the schema. Internal to this folder.
#pragma once

#include <cstdint>

#include "shared/evaluate/connect_table.h"

namespace egress {

inline constexpr std::uint16_t kLayerFormat = 1;

}  // namespace egress
