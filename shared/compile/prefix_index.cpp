#include "shared/compile/prefix_index.h"

#include <algorithm>
#include <optional>

namespace egress {
namespace {

// Loopback, link-local and reserved ranges, and the IPv6 ranges that embed IPv4: their verdicts differ from their
// neighbours', so no interval may straddle them.
constexpr Cidr kSpecialRanges[] = {
    {make_ipv4(0x00000000), 32, true},
    {make_ipv4(0x7f000000), 8, true},
    {make_ipv4(0xa9fe0000), 16, true},
    {make_ipv4(0xf0000000), 4, true},
    {make_ipv4(0xffffffff), 32, true},
    {{0, 0}, 96, false},
    {{0, 0}, 127, false},
    {{0, 1}, 128, false},
    {{0, kMappedPrefix}, 96, false},
    {{0x0064'ff9b'0000'0000, 0}, 96, false},
    {{0x2002'0000'0000'0000, 0}, 16, false},
    {{0xfe80'0000'0000'0000, 0}, 10, false},
};

Address last_address(const Cidr& cidr) {
  const unsigned wide = wide_prefix(cidr);
  const Address ones{~std::uint64_t{0}, ~std::uint64_t{0}};
  const Address network = mask_address(ones, wide);
  return {cidr.base.high | ~network.high, cidr.base.low | ~network.low};
}

std::optional<Address> next_address(Address a) {
  if (++a.low == 0 && ++a.high == 0) return std::nullopt;
  return a;
}

// One family's intervals, appended in ascending order of start.
class Intervals {
 public:
  // From `start` on, the deepest node is `node`. A second call with the same start replaces the first.
  void begin(Address start, std::uint32_t node) {
    if (!starts_.empty() && starts_.back() == start) {
      nodes_.back() = node;
    } else if (nodes_.empty() || nodes_.back() != node) {
      starts_.push_back(start);
      nodes_.push_back(node);
    }
  }
  const std::vector<Address>& starts() const { return starts_; }
  const std::vector<std::uint32_t>& nodes() const { return nodes_; }

 private:
  std::vector<Address> starts_;
  std::vector<std::uint32_t> nodes_;
};

struct OpenPrefix {
  std::uint32_t node;
  Address last;
};

// Closes the prefixes that end before `until` (all of them for nullopt): what follows each belongs to its parent.
void close_prefixes(std::vector<OpenPrefix>& open, std::optional<Address> until, Intervals& intervals) {
  while (!open.empty() && (!until || open.back().last < *until)) {
    const auto next = next_address(open.back().last);
    open.pop_back();
    if (next) intervals.begin(*next, open.empty() ? kNoNode : open.back().node);
  }
}

}  // namespace

PrefixIndex::PrefixIndex() {
  for (const Cidr& range : kSpecialRanges) prefixes_[range];
}

void PrefixIndex::add(const Cidr& cidr, RuleRef rule, const std::vector<Cidr>& except) {
  PrefixMember member;
  member.rule = rule;
  member.except_begin = static_cast<std::uint32_t>(excepts_.size());
  for (const Cidr& hole : except) {
    if (!contains(cidr, hole) && !contains(hole, cidr)) continue;
    excepts_.push_back({hole.base, wide_prefix(hole)});
    prefixes_[hole];  // so that an interval is inside or outside as a whole
  }
  member.except_count = static_cast<std::uint32_t>(excepts_.size()) - member.except_begin;
  prefixes_[cidr].push_back(member);
}

PrefixIndex::Tables PrefixIndex::build() const {
  Tables tables;
  tables.excepts = excepts_;
  Intervals v4;
  Intervals v6;
  v4.begin(make_ipv4(0), kNoNode);
  v6.begin({0, 0}, kNoNode);
  std::vector<OpenPrefix> open;
  bool in_v4 = true;
  for (const auto& [cidr, members] : prefixes_) {
    if (in_v4 && !cidr.ipv4) {
      close_prefixes(open, std::nullopt, v4);
      in_v4 = false;
    }
    Intervals& intervals = in_v4 ? v4 : v6;
    close_prefixes(open, cidr.base, intervals);
    const auto node = static_cast<std::uint32_t>(tables.nodes.size());
    tables.nodes.push_back({open.empty() ? kNoNode : open.back().node,
                            static_cast<std::uint32_t>(tables.members.size()),
                            static_cast<std::uint32_t>(members.size())});
    tables.members.insert(tables.members.end(), members.begin(), members.end());
    intervals.begin(cidr.base, node);
    open.push_back({node, last_address(cidr)});
  }
  close_prefixes(open, std::nullopt, in_v4 ? v4 : v6);

  // The IPv4 sweep ends by closing into ::1:0:0:0, which is no IPv4 address.
  for (std::size_t i = 0; i < v4.starts().size(); ++i) {
    if (!is_ipv4(v4.starts()[i])) continue;
    tables.v4_starts.push_back(ipv4_bits(v4.starts()[i]));
    tables.v4_nodes.push_back(v4.nodes()[i]);
  }
  tables.v6_starts = v6.starts();
  tables.v6_nodes = v6.nodes();
  return tables;
}

}  // namespace egress
