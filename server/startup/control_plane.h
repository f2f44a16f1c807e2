// Where the control plane is, as this host sees it: what explain refuses whatever the policy says. Agents take theirs
// from the server's URL; the two agree where that URL leads to the address that is listened on.
#pragma once

#include <span>
#include <vector>

#include "server/startup/listen_address.h"
#include "shared/compile/link_stack.h"

namespace egress::server {

// Every judgement of explain compares the destination with each of them.
inline constexpr std::size_t kMaxControlPlaneEndpoints = 256;

// The endpoint listened on; for 0.0.0.0 and :: its port on loopback and on each of `interfaces` that it takes
// connections for (:: takes those for IPv4 as well), in ascending order without repetition, the loopback ones always
// and of the others no more than the limit has room for.
std::vector<Endpoint> control_plane_endpoints(const ListenAddress& listening, std::span<const Address> interfaces);

// The addresses of this host's interfaces that are up, repeated if several have them. kUnavailable if the kernel does
// not tell.
Expected<std::vector<Address>> find_interface_addresses();

// Both. The interfaces are looked at only for 0.0.0.0 and ::, once: addresses that the host is given later are missing.
Expected<std::vector<Endpoint>> find_control_plane(const ListenAddress& listening);

}  // namespace egress::server
