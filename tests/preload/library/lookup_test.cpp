#include "preload/library/lookup.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

namespace egress {
namespace {

using namespace std::string_literals;

struct Received {
  std::string body;
  std::uint32_t text_bytes = 0;
  std::uint16_t queries = 0;
  std::uint16_t addresses = 0;
};

std::unique_ptr<LookupReply> make_reply(const Received& received) {
  auto reply = std::make_unique<LookupReply>();
  reply->reply.header.text_bytes = received.text_bytes;
  reply->reply.header.query_count = received.queries;
  reply->reply.header.address_count = received.addresses;
  std::memcpy(reply->body, received.body.data(), received.body.size());
  reply->reply.body_bytes = received.body.size();
  return reply;
}

std::string address_bytes(const char* text) {
  const Address address = parse_address(text).value();
  return {reinterpret_cast<const char*>(&address), sizeof address};
}

TEST(DecodeLookupTest, TakesQueriesAndAlignedAddresses) {
  const auto reply = make_reply({.body = "a.example\0b\0\0\0\0\0"s + address_bytes("10.0.0.1") + address_bytes("::1"),
                                 .text_bytes = 12,
                                 .queries = 2,
                                 .addresses = 2});
  ASSERT_TRUE(decode_lookup(*reply));
  ASSERT_EQ(reply->query_count, 2u);
  EXPECT_STREQ(reply->queries[0], "a.example");
  EXPECT_STREQ(reply->queries[1], "b");
  ASSERT_EQ(reply->addresses.size(), 2u);
  EXPECT_EQ(reply->addresses[1], parse_address("::1").value());
}

TEST(DecodeLookupTest, TakesAnEmptyAnswer) {
  const auto reply = make_reply({});
  ASSERT_TRUE(decode_lookup(*reply));
  EXPECT_EQ(reply->query_count, 0u);
  EXPECT_TRUE(reply->addresses.empty());
}

TEST(DecodeLookupTest, RefusesWhatDoesNotAddUp) {
  const std::string address = address_bytes("10.0.0.1");
  const Received broken[] = {
      {.body = "a.example", .text_bytes = 9, .queries = 1},                       // not terminated
      {.body = "a\0"s, .text_bytes = 2, .queries = 2},                            // fewer than promised
      {.body = "a\0b\0"s, .text_bytes = 4, .queries = 1},                         // more than promised
      {.body = "\0"s, .text_bytes = 1, .queries = 1},                             // an empty name
      {.body = std::string(254, 'a') + "\0"s, .text_bytes = 255, .queries = 1},   // no host name is that long
      {.body = "a\0"s, .text_bytes = 60'000, .queries = 1},                       // text past the end
      {.body = address.substr(1), .addresses = 1},                                // an address cut short
      {.body = "a\0"s + address, .text_bytes = 2, .queries = 1, .addresses = 1},  // unaligned, hence short
      {.body = "a\0"s, .text_bytes = 2, .queries = kMaxLookupQueries + 1},
      {.body = address, .addresses = kMaxLookupAddresses + 1},
  };
  for (const Received& received : broken) {
    EXPECT_FALSE(decode_lookup(*make_reply(received))) << &received - broken;
  }
}

}  // namespace
}  // namespace egress
