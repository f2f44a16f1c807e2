#include "server/startup/control_plane.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "shared/base/unique_fd.h"

namespace egress::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

std::vector<std::string> endpoints_of(const char* listening, const std::vector<const char*>& interfaces) {
  std::vector<Address> addresses;
  for (const char* text : interfaces) addresses.push_back(parse_address(text).value());
  std::vector<std::string> texts;
  for (const Endpoint& e : control_plane_endpoints(parse_listen_address(listening).value(), addresses)) {
    texts.push_back(format_listen_address({e.address, e.port}));
  }
  return texts;
}

TEST(ControlPlaneTest, OneAddressIsItself) {
  EXPECT_THAT(endpoints_of("127.0.0.1:8443", {"127.0.0.1", "192.0.2.1"}), ElementsAre("127.0.0.1:8443"));
  EXPECT_THAT(endpoints_of("[::1]:8443", {"127.0.0.1", "::1"}), ElementsAre("[::1]:8443"));
  EXPECT_THAT(endpoints_of("192.0.2.1:443", {}), ElementsAre("192.0.2.1:443"));
}

TEST(ControlPlaneTest, EveryIpv4AddressIsLoopbackAndTheInterfacesOfThatFamily) {
  EXPECT_THAT(endpoints_of("0.0.0.0:443", {"192.0.2.7", "127.0.0.1", "2001:db8::7", "::1", "192.0.2.7"}),
              ElementsAre("127.0.0.1:443", "192.0.2.7:443"));
  EXPECT_THAT(endpoints_of("0.0.0.0:443", {}), ElementsAre("127.0.0.1:443"));
}

TEST(ControlPlaneTest, EveryIpv6AddressTakesIpv4AsWell) {
  EXPECT_THAT(endpoints_of("[::]:443", {"192.0.2.7", "2001:db8::7", "fe80::1"}),
              ElementsAre("[::1]:443", "127.0.0.1:443", "192.0.2.7:443", "[2001:db8::7]:443", "[fe80::1]:443"));
  EXPECT_THAT(endpoints_of("[::]:443", {}), ElementsAre("[::1]:443", "127.0.0.1:443"));
}

TEST(ControlPlaneTest, AHostOfManyAddressesIsCutAtTheLimit) {
  std::vector<Address> many;
  for (std::uint32_t i = 0; i < 2 * kMaxControlPlaneEndpoints; ++i) many.push_back(make_ipv4(0x0a00'0001 + i));
  const auto endpoints = control_plane_endpoints(parse_listen_address("[::]:1").value(), many);
  EXPECT_EQ(endpoints.size(), kMaxControlPlaneEndpoints);
  const auto has = [&](const char* text) {
    return std::any_of(endpoints.begin(), endpoints.end(),
                       [&](const Endpoint& e) { return e.address == parse_address(text).value(); });
  };
  EXPECT_TRUE(has("127.0.0.1")) << "loopback is never what is cut";
  EXPECT_TRUE(has("::1"));
  EXPECT_TRUE(has("10.0.0.1"));
}

// What an interface has can be bound, and nothing else can.
TEST(ControlPlaneTest, TheInterfacesAddressesAreThisHosts) {
  const auto addresses = find_interface_addresses();
  ASSERT_TRUE(addresses) << addresses.error().message;
  EXPECT_THAT(*addresses, Contains(parse_address("127.0.0.1").value()));
  for (const Address address : *addresses) {
    if (!is_ipv4(address)) continue;  // a link-local one needs its scope
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(socket);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(ipv4_bits(address));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local), 0)
        << format_address(address);
  }
}

TEST(ControlPlaneTest, FindingItLooksAtTheInterfacesOnlyWhereTheyMatter) {
  const auto one = find_control_plane(parse_listen_address("127.0.0.1:8443").value());
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1u);
  const auto every = find_control_plane(parse_listen_address("0.0.0.0:8443").value());
  ASSERT_TRUE(every);
  const auto addresses = find_interface_addresses();
  ASSERT_TRUE(addresses);
  std::vector<Address> found;
  for (const Endpoint& endpoint : *every) {
    EXPECT_EQ(endpoint.port, 8443);
    found.push_back(endpoint.address);
  }
  for (const Address address : *addresses) {
    if (!is_ipv4(address)) continue;
    EXPECT_THAT(found, Contains(address)) << format_address(address);
  }
}

}  // namespace
}  // namespace egress::server
