#include "server/service/token_text.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <vector>

#include "shared/base/hex.h"

namespace egress::server {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kIdBytes = 8;

}  // namespace

std::string random_hex(std::size_t bytes) {
  std::vector<std::byte> random(bytes);
  // It fails only when the system has no entropy, and no secret can be made then.
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) != 1) std::abort();
  return format_hex(random);
}

std::string make_token_text(TokenKind kind) {
  return std::string(kind == TokenKind::kUser ? kUserTokenPrefix : kWorkloadTokenPrefix) + random_hex(kSecretBytes);
}

std::string make_token_id() { return random_hex(kIdBytes); }

bool equal_in_constant_time(const Sha256& a, const Sha256& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace egress::server
