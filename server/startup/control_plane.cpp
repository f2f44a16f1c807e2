#include "server/startup/control_plane.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

namespace egress::server {
namespace {

constexpr Address kAnyIpv4 = make_ipv4(0);
constexpr Address kAnyIpv6{};

bool is_wildcard(Address address) { return address == kAnyIpv4 || address == kAnyIpv6; }

std::optional<Address> address_of(const sockaddr* socket_address) {
  if (socket_address == nullptr) return std::nullopt;  // an interface without addresses
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, socket_address, sizeof v4);
    return make_ipv4(ntohl(v4.sin_addr.s_addr));
  }
  if (socket_address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, socket_address, sizeof v6);
    return address_from_bytes(v6.sin6_addr.s6_addr);
  }
  return std::nullopt;  // AF_PACKET: a link-layer address
}

}  // namespace

std::vector<Endpoint> control_plane_endpoints(const ListenAddress& listening, std::span<const Address> interfaces) {
  if (!is_wildcard(listening.address)) return {{listening.address, listening.port}};
  const bool takes_ipv6 = listening.address == kAnyIpv6;
  std::set<Address> addresses{canonical(kAnyIpv4)};
  if (takes_ipv6) addresses.insert(canonical(kAnyIpv6));
  for (const Address address : interfaces) {
    if (addresses.size() == kMaxControlPlaneEndpoints) break;
    if (takes_ipv6 || is_ipv4(address)) addresses.insert(address);
  }
  std::vector<Endpoint> endpoints;
  for (const Address address : addresses) endpoints.push_back({address, listening.port});
  return endpoints;
}

Expected<std::vector<Address>> find_interface_addresses() {
  ifaddrs* listed = nullptr;
  if (::getifaddrs(&listed) != 0) {
    return fail(ErrorCode::kUnavailable,
                std::string("the addresses of this host's interfaces are not known: ") + std::strerror(errno));
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(listed, &::freeifaddrs);
  std::vector<Address> addresses;
  for (const ifaddrs* entry = listed; entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    if (const auto address = address_of(entry->ifa_addr)) addresses.push_back(*address);
  }
  return addresses;
}

Expected<std::vector<Endpoint>> find_control_plane(const ListenAddress& listening) {
  if (!is_wildcard(listening.address)) return control_plane_endpoints(listening, {});
  const auto interfaces = find_interface_addresses();
  if (!interfaces) return tl::unexpected(interfaces.error());
  return control_plane_endpoints(listening, *interfaces);
}

}  // namespace egress::server
