// The texts of tokens and of their hashes. A token is 256 random bits behind a prefix that secret scanners find; only
// its SHA-256 is ever stored or compared.
#pragma once

#include <string>
#include <string_view>

#include "server/store/records.h"
#include "shared/bundle/digest.h"

namespace egress::server {

inline constexpr std::string_view kUserTokenPrefix = "egress_";
inline constexpr std::string_view kWorkloadTokenPrefix = "egressw_";

// "egress_" or "egressw_", then 64 hexadecimal digits from the system's generator.
std::string make_token_text(TokenKind kind);

// 64 random bits in hexadecimal: names a token without being a secret.
std::string make_token_id();

// `bytes` random bytes in hexadecimal.
std::string random_hex(std::size_t bytes);

// Takes the same time wherever the two differ.
bool equal_in_constant_time(const Sha256& a, const Sha256& b);

}  // namespace egress::server
