#include "preload/library/sockaddr_copy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

namespace egress {
namespace {

sockaddr_in make_v4(const char* text, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  inet_pton(AF_INET, text, &v4.sin_addr);
  return v4;
}

sockaddr_in6 make_v6(const char* text, std::uint16_t port) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  inet_pton(AF_INET6, text, &v6.sin6_addr);
  return v6;
}

template <typename T>
NameKind take(SockaddrCopy& copy, const T& name, socklen_t length = sizeof(T), NameUse use = NameUse::kConnect) {
  return copy.take(reinterpret_cast<const sockaddr*>(&name), length, use);
}

TEST(SockaddrCopyTest, JudgesTheCanonicalAddress) {
  struct Case {
    const char* text;
    const char* judged;
  };
  for (const auto& [text, judged] :
       {Case{"::ffff:10.0.0.1", "10.0.0.1"}, Case{"::", "::1"}, Case{"2001:db8::1", "2001:db8::1"}}) {
    SockaddrCopy copy;
    ASSERT_EQ(take(copy, make_v6(text, 443)), NameKind::kInternet);
    EXPECT_EQ(copy.address, parse_address(judged).value()) << text;
    EXPECT_EQ(copy.port, 443);
  }
  SockaddrCopy copy;
  ASSERT_EQ(take(copy, make_v4("0.0.0.0", 80)), NameKind::kInternet);
  EXPECT_EQ(copy.address, make_ipv4(0x7f000001));
  EXPECT_EQ(copy.port, 80);
}

TEST(SockaddrCopyTest, HandsOnTheBytesItWasGiven) {
  sockaddr_in6 name = make_v6("fe80::1", 1);
  name.sin6_scope_id = 7;
  SockaddrCopy copy;
  ASSERT_EQ(take(copy, name), NameKind::kInternet);
  EXPECT_EQ(copy.length, sizeof name);
  EXPECT_EQ(std::memcmp(copy.get(), &name, sizeof name), 0);
  ASSERT_EQ(take(copy, name, 24), NameKind::kInternet) << "an address without its scope id";
  EXPECT_EQ(copy.length, 24u);
}

TEST(SockaddrCopyTest, LeavesRefusedLengthsToTheKernel) {
  const sockaddr_in name = make_v4("127.0.0.1", 1);
  SockaddrCopy copy;
  for (const socklen_t length : {0u, 1u, 15u, 129u, 0x7fff'ffffu, 0x8000'0000u, 0xffff'ffffu}) {
    EXPECT_EQ(take(copy, name, length), NameKind::kNone) << length;
    EXPECT_EQ(take(copy, name, length, NameUse::kSendTo), NameKind::kNone) << length;
  }
  EXPECT_EQ(take(copy, make_v6("::1", 1), 23), NameKind::kOther) << "too short for its family: not judged";
}

TEST(SockaddrCopyTest, CutsLongNamesOfMessagesAsTheKernelDoes) {
  std::vector<unsigned char> bytes(200);
  const sockaddr_in name = make_v4("127.0.0.1", 9);
  std::memcpy(bytes.data(), &name, sizeof name);
  SockaddrCopy copy;
  const auto* long_name = reinterpret_cast<const sockaddr*>(bytes.data());
  ASSERT_EQ(copy.take(long_name, 200, NameUse::kSendMessage), NameKind::kInternet);
  EXPECT_EQ(copy.length, sizeof(sockaddr_storage));
  EXPECT_EQ(copy.take(long_name, 0x8000'0000u, NameUse::kSendMessage), NameKind::kNone);
}

TEST(SockaddrCopyTest, TakesAnUnspecifiedFamilyForIpv4WhereTheKernelDoes) {
  sockaddr_in name = make_v4("10.0.0.1", 9);
  name.sin_family = AF_UNSPEC;
  SockaddrCopy copy;
  EXPECT_EQ(take(copy, name, sizeof name, NameUse::kConnect), NameKind::kOther);
  ASSERT_EQ(take(copy, name, sizeof name, NameUse::kSendTo), NameKind::kInternet);
  EXPECT_TRUE(copy.unspecified_family);
  EXPECT_EQ(copy.address, parse_address("10.0.0.1").value());
}

TEST(SockaddrCopyTest, CopiesOtherFamiliesWithoutJudging) {
  sockaddr_storage name{};
  name.ss_family = AF_UNIX;
  SockaddrCopy copy;
  EXPECT_EQ(take(copy, name, 110), NameKind::kOther);
  EXPECT_EQ(copy.length, 110u);
}

TEST(SockaddrCopyTest, SurvivesUnreadableMemory) {
  constexpr std::size_t kPage = 4096;
  void* mapped = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* pages = static_cast<unsigned char*>(mapped);
  ASSERT_EQ(munmap(pages + kPage, kPage), 0);
  const sockaddr_in name = make_v4("127.0.0.1", 1);
  SockaddrCopy copy;
  const auto take_at = [&copy](void* at) {
    return copy.take(static_cast<const sockaddr*>(at), sizeof(sockaddr_in), NameUse::kConnect);
  };
  EXPECT_EQ(take_at(nullptr), NameKind::kNone);
  EXPECT_EQ(take_at(reinterpret_cast<void*>(8)), NameKind::kNone);
  EXPECT_EQ(take_at(reinterpret_cast<void*>(~std::uintptr_t{0} - 7)), NameKind::kNone);
  EXPECT_EQ(take_at(pages + kPage), NameKind::kNone);
  for (std::size_t missing = 1; missing < sizeof name; ++missing) {
    EXPECT_EQ(take_at(pages + kPage - sizeof name + missing), NameKind::kNone) << missing;
  }
  for (const std::size_t slack : {0u, 1u, 3u, 100u}) {
    unsigned char* at = pages + kPage - sizeof name - slack;
    std::memcpy(at, &name, sizeof name);
    EXPECT_EQ(take_at(at), NameKind::kInternet) << slack;
  }
  ASSERT_EQ(mprotect(pages, kPage, PROT_NONE), 0);
  EXPECT_EQ(take_at(pages), NameKind::kNone);
  munmap(pages, kPage);
}

}  // namespace
}  // namespace egress
