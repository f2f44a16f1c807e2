#include "shared/bundle/signature.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(SignatureTest, HoldsForExactlyTheSignedBytes) {
  const SigningKey key = SigningKey::generate();
  const Signature signature = key.sign("policy");
  EXPECT_TRUE(verify(key.public_key(), "policy", signature));
  EXPECT_FALSE(verify(key.public_key(), "Policy", signature));
  EXPECT_FALSE(verify(key.public_key(), "policy ", signature));
  EXPECT_FALSE(verify(SigningKey::generate().public_key(), "policy", signature));
  Signature flipped = signature;
  flipped[10] ^= std::byte{1};
  EXPECT_FALSE(verify(key.public_key(), "policy", flipped));
}

TEST(SignatureTest, KeysSurviveTheirPem) {
  const SigningKey key = SigningKey::generate();
  const SigningKey again = SigningKey::from_pem(key.to_pem()).value();
  EXPECT_EQ(again.public_key(), key.public_key());
  EXPECT_TRUE(verify(key.public_key(), "x", again.sign("x")));
}

TEST(SignatureTest, RefusesWhatIsNoKey) {
  EXPECT_FALSE(SigningKey::from_pem(""));
  EXPECT_FALSE(SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
  std::string pem = SigningKey::generate().to_pem();
  EXPECT_FALSE(SigningKey::from_pem(pem.substr(0, pem.size() / 2)));
}

TEST(SignatureTest, PublicKeysHaveOneSpelling) {
  const PublicKey key = SigningKey::generate().public_key();
  const std::string text = format_public_key(key);
  EXPECT_EQ(text.size(), 44u);
  EXPECT_EQ(parse_public_key(text).value(), key);
  for (const std::string& bad : {std::string(), text.substr(1), text + "=", "!" + text.substr(1), std::string(44, '='),
                                 text.substr(0, 42) + "==", "\n" + text}) {
    EXPECT_FALSE(parse_public_key(bad)) << bad;
  }
}

TEST(SignatureTest, Base64RoundTripsEveryLength) {
  for (std::size_t size = 1; size < 70; ++size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 37 + size);
    std::vector<std::byte> parsed(size);
    EXPECT_TRUE(parse_base64(format_base64(bytes), parsed)) << size;
    EXPECT_EQ(parsed, bytes);
  }
}

TEST(SignatureTest, KeyIdsNameKeys) {
  const PublicKey key = SigningKey::generate().public_key();
  EXPECT_EQ(key_id(key).size(), 16u);
  EXPECT_EQ(key_id(key), key_id(key));
  EXPECT_NE(key_id(key), key_id(SigningKey::generate().public_key()));
}

}  // namespace
}  // namespace egress
