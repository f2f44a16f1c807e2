// SHA-256, the name of every layer.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace egress {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(std::span<const std::byte> bytes);
Sha256 sha256(std::string_view text);

std::string format_sha256(const Sha256& digest);  // 64 lower-case hex digits
std::optional<Sha256> parse_sha256(std::string_view text);

}  // namespace egress
