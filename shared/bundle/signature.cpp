#include "shared/bundle/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "shared/bundle/digest.h"

namespace egress {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;
using Bio = std::unique_ptr<BIO, Free>;

const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }
const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

// OpenSSL fails here only when memory or entropy is gone, and nothing sensible can be signed then.
void require(bool ok) {
  if (!ok) std::abort();
}

Key private_key(const std::array<std::byte, 32>& seed) {
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed.data()), seed.size()));
  require(key != nullptr);
  return key;
}

}  // namespace

SigningKey SigningKey::generate() {
  std::array<std::byte, 32> seed;
  require(RAND_priv_bytes(raw(seed.data()), static_cast<int>(seed.size())) == 1);
  return SigningKey(seed);
}

Expected<SigningKey> SigningKey::from_pem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  require(bio != nullptr);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  std::array<std::byte, 32> seed;
  std::size_t size = seed.size();
  if (key == nullptr || EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_private_key(key.get(), raw(seed.data()), &size) != 1 || size != seed.size()) {
    return fail(ErrorCode::kCorrupt, "the signing key is not an Ed25519 private key in PEM");
  }
  return SigningKey(seed);
}

std::string SigningKey::to_pem() const {
  const Key key = private_key(seed_);
  const Bio bio(BIO_new(BIO_s_mem()));
  require(bio != nullptr &&
          PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

PublicKey SigningKey::public_key() const {
  const Key key = private_key(seed_);
  PublicKey result;
  std::size_t size = result.size();
  require(EVP_PKEY_get_raw_public_key(key.get(), raw(result.data()), &size) == 1);
  return result;
}

Signature SigningKey::sign(std::string_view bytes) const {
  const Key key = private_key(seed_);
  const Context context(EVP_MD_CTX_new());
  Signature signature;
  std::size_t size = signature.size();
  require(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
          EVP_DigestSign(context.get(), raw(signature.data()), &size, raw(bytes), bytes.size()) == 1);
  return signature;
}

bool verify(const PublicKey& public_key, std::string_view bytes, const Signature& signature) {
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key.data()), public_key.size()));
  const Context context(EVP_MD_CTX_new());
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature.data()), signature.size(), raw(bytes), bytes.size()) == 1;
}

std::string key_id(const PublicKey& key) { return format_sha256(sha256(key)).substr(0, 16); }

std::string format_base64(std::span<const std::byte> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), raw(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool parse_base64(std::string_view text, std::span<std::byte> bytes) {
  const std::size_t padding = (3 - bytes.size() % 3) % 3;
  if (text.size() != 4 * ((bytes.size() + 2) / 3)) return false;
  const std::size_t significant = text.size() - padding;
  if (text.find('=') != (padding == 0 ? std::string_view::npos : significant)) return false;
  std::vector<unsigned char> decoded(text.size() / 4 * 3);
  if (EVP_DecodeBlock(decoded.data(), raw(text), static_cast<int>(text.size())) < 0) return false;
  std::transform(decoded.begin(), decoded.begin() + static_cast<std::ptrdiff_t>(bytes.size()), bytes.begin(),
                 [](unsigned char c) { return static_cast<std::byte>(c); });
  return format_base64(bytes) == text;  // no stray bits, no second spelling
}

std::string format_public_key(const PublicKey& key) { return format_base64(key); }

Expected<PublicKey> parse_public_key(std::string_view text) {
  PublicKey key;
  if (!parse_base64(text, key)) {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + std::string(text.substr(0, 64)) + "\" is not a public key: expected 32 bytes in base64");
  }
  return key;
}

}  // namespace egress
