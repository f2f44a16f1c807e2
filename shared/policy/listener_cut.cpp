#include "shared/policy/listener_cut.h"

#include <algorithm>

namespace egress {
namespace {

Transport carried_by(const Listener& listener) {
  return listener.protocol == ListenerProtocol::kUdp ? Transport::kUdp : Transport::kTcp;
}

// The ports of `match` that `listener` carries.
std::vector<PortMatch> carried_ports(const Rule& match, const Listener& listener) {
  std::vector<PortMatch> carried;
  const Transport transport = carried_by(listener);
  if (match.protocol && *match.protocol != transport) return carried;
  const PortRange limits = listener.port ? PortRange{*listener.port, *listener.port} : PortRange{};
  const std::vector<PortMatch> any{PortMatch{}};
  for (const PortMatch& port : match.ports.empty() ? any : match.ports) {
    if (port.protocol && *port.protocol != transport) continue;
    const PortRange range{std::max(port.range.first, limits.first), std::min(port.range.last, limits.last)};
    if (range.first <= range.last) carried.push_back({transport, range});
  }
  return carried;
}

}  // namespace

std::vector<const Listener*> attached_listeners(const EgressGateway& gateway, const ParentRef& parent) {
  std::vector<const Listener*> listeners;
  for (const Listener& listener : gateway.listeners) {
    if (!parent.section_name || listener.name == *parent.section_name) listeners.push_back(&listener);
  }
  return listeners;
}

std::optional<Rule> cut_to_listeners(const Rule& match, const std::vector<const Listener*>& listeners) {
  Rule cut = match;
  cut.ports.clear();
  for (const Listener* listener : listeners) {
    for (const PortMatch& port : carried_ports(match, *listener)) {
      if (std::find(cut.ports.begin(), cut.ports.end(), port) == cut.ports.end()) cut.ports.push_back(port);
    }
  }
  if (cut.ports.empty()) return std::nullopt;
  return cut;
}

}  // namespace egress
