// Ed25519 (RFC 8032) signatures over exact bytes. Keys are 32 bytes; a key id is the first 16 hex digits of the SHA-256
// of the public key.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

using PublicKey = std::array<std::byte, 32>;
using Signature = std::array<std::byte, 64>;

class SigningKey {
 public:
  static SigningKey generate();
  // PKCS#8 PEM. kCorrupt if it is anything else than one Ed25519 private key.
  static Expected<SigningKey> from_pem(std::string_view pem);

  std::string to_pem() const;
  PublicKey public_key() const;
  Signature sign(std::string_view bytes) const;

 private:
  explicit SigningKey(const std::array<std::byte, 32>& seed) : seed_(seed) {}
  std::array<std::byte, 32> seed_;
};

bool verify(const PublicKey& key, std::string_view bytes, const Signature& signature);

std::string key_id(const PublicKey& key);

// Base64 (RFC 4648, padded). parse_base64 fills `bytes` exactly and accepts one spelling only; false otherwise.
std::string format_base64(std::span<const std::byte> bytes);
bool parse_base64(std::string_view text, std::span<std::byte> bytes);

// Base64 of the raw 32 bytes: the form of EGRESS_BUNDLE_KEY and of the pinned key file.
std::string format_public_key(const PublicKey& key);
Expected<PublicKey> parse_public_key(std::string_view text);

}  // namespace egress
