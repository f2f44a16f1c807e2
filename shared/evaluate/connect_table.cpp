#include "shared/evaluate/connect_table.h"

#include <cstring>

namespace egress {
namespace {

template <typename T>
bool fits(TableSpan where, std::size_t total) noexcept {
  const std::uint64_t end = where.offset + static_cast<std::uint64_t>(where.count) * sizeof(T);
  return where.offset % alignof(T) == 0 && end <= total;
}

// Index of the last element <= key. `starts` begins with the smallest possible key.
template <typename T>
std::size_t find_interval(std::span<const T> starts, const T& key) noexcept {
  std::size_t low = 0;
  std::size_t count = starts.size();
  while (count > 1) {
    const std::size_t half = count / 2;
    low += starts[low + half] <= key ? half : 0;  // compiles to a conditional move
    count -= half;
  }
  return low;
}

}  // namespace

bool ConnectTable::open(const std::byte* data, std::size_t size) noexcept {
  if (data == nullptr || size < sizeof(ConnectTableHeader) || reinterpret_cast<std::uintptr_t>(data) % 8 != 0) {
    return false;
  }
  ConnectTableHeader h;
  std::memcpy(&h, data, sizeof h);
  if (h.magic != kConnectTableMagic || h.format != kConnectTableFormat) return false;
  if (h.total_bytes < sizeof h || h.total_bytes > size) return false;
  const std::size_t total = h.total_bytes;
  const bool whole = fits<LayerVotes>(h.layers, total) && fits<Clause>(h.clauses, total) &&
                     fits<ClausePort>(h.ports, total) && fits<RuleRef>(h.everywhere, total) &&
                     fits<PrefixNode>(h.nodes, total) && fits<PrefixMember>(h.members, total) &&
                     fits<ExceptPrefix>(h.excepts, total) && fits<std::uint32_t>(h.v4_starts, total) &&
                     fits<std::uint32_t>(h.v4_nodes, total) && fits<Address>(h.v6_starts, total) &&
                     fits<std::uint32_t>(h.v6_nodes, total) && fits<ControlPlaneEndpoint>(h.control_plane, total);
  const bool consistent = h.layers.count <= kMaxStackLayers && h.v4_starts.count == h.v4_nodes.count &&
                          h.v6_starts.count == h.v6_nodes.count;
  if (!whole || !consistent) return false;
  data_ = data;
  header_ = h;
  return true;
}

std::uint32_t ConnectTable::find_node(Address address) const noexcept {
  if (is_ipv4(address)) {
    const auto starts = v4_starts();
    return starts.empty() ? kNoNode : v4_nodes()[find_interval(starts, ipv4_bits(address))];
  }
  const auto starts = v6_starts();
  return starts.empty() ? kNoNode : v6_nodes()[find_interval(starts, address)];
}

}  // namespace egress
