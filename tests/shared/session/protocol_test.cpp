#include "shared/session/protocol.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace egress {
namespace {

std::vector<std::byte> encode(RequestHeader header, const std::vector<std::string>& fields,
                              const std::vector<Address>& addresses = {}) {
  std::string bytes;
  for (std::size_t i = 0; i < fields.size(); ++i) header.field_bytes[i] = static_cast<std::uint32_t>(fields[i].size());
  header.address_count = static_cast<std::uint32_t>(addresses.size());
  bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  for (const std::string& field : fields) bytes += field;
  bytes.append(reinterpret_cast<const char*>(addresses.data()), addresses.size() * sizeof(Address));
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return {data, data + bytes.size()};
}

RequestHeader header_of(RequestKind kind) {
  RequestHeader header;
  header.kind = static_cast<std::uint16_t>(kind);
  return header;
}

TEST(ProtocolTest, DecodesAHello) {
  const auto bytes = encode(header_of(RequestKind::kHello), {"http://127.0.0.1:8443", "prod", "", "a=b"});
  const Request request = decode_request(bytes).value();
  EXPECT_EQ(request.kind, RequestKind::kHello);
  EXPECT_EQ(request.field(HelloField::kServer), "http://127.0.0.1:8443");
  EXPECT_EQ(request.field(HelloField::kNamespace), "prod");
  EXPECT_EQ(request.field(HelloField::kWorkload), "");
  EXPECT_EQ(request.field(HelloField::kLabels), "a=b");
  EXPECT_EQ(request.field(HelloField::kCa), "");
}

TEST(ProtocolTest, DecodesABind) {
  const auto bytes = encode(header_of(RequestKind::kBind), {"a.com"}, {make_ipv4(1), make_ipv4(2)});
  const Request request = decode_request(bytes).value();
  EXPECT_EQ(request.field(HelloField::kServer), "a.com");
  EXPECT_EQ(request.addresses.size(), 2 * sizeof(Address));
}

TEST(ProtocolTest, RefusesWhatIsNotExactlyOneRequest) {
  const auto good = encode(header_of(RequestKind::kLookup), {"a.com"});
  ASSERT_TRUE(decode_request(good));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_request(std::span(good).first(size))) << size;
  auto longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_request(longer));
  EXPECT_FALSE(decode_request(encode(header_of(RequestKind::kHello), {"a.com"}, {make_ipv4(1)})));
  EXPECT_FALSE(decode_request(encode(header_of(RequestKind::kHello), {std::string("a\0b", 3)})));
  EXPECT_FALSE(decode_request(encode(header_of(static_cast<RequestKind>(0)), {})));
  EXPECT_FALSE(decode_request(encode(header_of(static_cast<RequestKind>(99)), {})));
  RequestHeader foreign = header_of(RequestKind::kHello);
  foreign.magic ^= 1;
  EXPECT_FALSE(decode_request(encode(foreign, {})));
  RequestHeader newer = header_of(RequestKind::kHello);
  ++newer.version;
  EXPECT_FALSE(decode_request(encode(newer, {})));
  EXPECT_EQ(decode_request(encode(header_of(RequestKind::kHello), {std::string(kMaxFieldBytes + 1, 'x')})).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(decode_request(encode(header_of(RequestKind::kBind), {"a"}, std::vector<Address>(257))).error().code,
            ErrorCode::kTooLarge);
}

TEST(ProtocolTest, SizesThatOverflowAreRefused) {
  RequestHeader header = header_of(RequestKind::kHello);
  auto bytes = encode(header, {"abc"});
  std::memcpy(&header, bytes.data(), sizeof header);
  header.field_bytes[0] = 0xffff'ffff;
  header.field_bytes[1] = 4;
  std::memcpy(bytes.data(), &header, sizeof header);
  EXPECT_FALSE(decode_request(bytes));
  header.field_bytes[0] = 3;
  header.field_bytes[1] = 0;
  header.kind = static_cast<std::uint16_t>(RequestKind::kBind);
  header.address_count = 0x1000'0000;
  std::memcpy(bytes.data(), &header, sizeof header);
  EXPECT_FALSE(decode_request(bytes));
}

TEST(ProtocolTest, RandomBytesNeverReadOutside) {
  std::mt19937_64 random(11);
  const auto good = encode(header_of(RequestKind::kHello), {"http://x", "ns", "w", "l", "t", "tok", "r", "k", "ca"});
  for (int round = 0; round < 50'000; ++round) {
    auto bytes = good;
    bytes.resize(random() % (good.size() + 16));
    for (int flips = 0; flips < 4 && !bytes.empty(); ++flips)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto request = decode_request(bytes);
    if (!request) continue;
    std::size_t total = 0;
    for (const auto field : request->fields) total += field.size();
    EXPECT_LE(total, bytes.size());
  }
}

}  // namespace
}  // namespace egress
