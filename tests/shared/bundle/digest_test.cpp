#include "shared/bundle/digest.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(DigestTest, MatchesTheStandardsExample) {
  EXPECT_EQ(format_sha256(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(format_sha256(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(DigestTest, ParsesExactlySixtyFourHexDigits) {
  const Sha256 digest = sha256("abc");
  EXPECT_EQ(parse_sha256(format_sha256(digest)), digest);
  EXPECT_FALSE(parse_sha256(format_sha256(digest).substr(2)));
  EXPECT_FALSE(parse_sha256(format_sha256(digest) + "00"));
  EXPECT_FALSE(parse_sha256(std::string(64, 'g')));
}

}  // namespace
}  // namespace egress
