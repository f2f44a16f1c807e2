#include "shared/bundle/digest.h"

#include <openssl/sha.h>

#include <algorithm>

#include "shared/base/hex.h"

namespace egress {

Sha256 sha256(std::span<const std::byte> bytes) {
  Sha256 digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

Sha256 sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text.data(), text.size()))); }

std::string format_sha256(const Sha256& digest) { return format_hex(digest); }

std::optional<Sha256> parse_sha256(std::string_view text) {
  const auto bytes = parse_hex(text);
  Sha256 digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

}  // namespace egress
