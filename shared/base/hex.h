// Lower-case hexadecimal, the textual form of hashes and ids.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace egress {

std::string format_hex(std::span<const std::byte> bytes);

// Accepts both cases; nullopt on an odd length or a foreign character.
std::optional<std::vector<std::byte>> parse_hex(std::string_view text);

}  // namespace egress
