// The flat, position-independent form of a linked stack that the evaluator reads (architecture.md, "link"). Lives in
// the session arena, where a reader may see it torn while a region is reused: ConnectTable::open copies and checks the
// header once, and every later access is checked against it, so that a torn table gives a wrong answer that the caller
// discards by re-reading the generation, never a wild read. No libraries, no allocation, noexcept throughout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "shared/base/limits.h"
#include "shared/net/address.h"
#include "shared/policy/names.h"

namespace egress {

inline constexpr std::uint32_t kConnectTableMagic = 0x4c425445;  // "ETBL"
inline constexpr std::uint32_t kConnectTableFormat = 1;
inline constexpr std::uint16_t kNoLayer = 0xffff;
inline constexpr std::uint32_t kNoRule = 0xffff'ffff;
inline constexpr std::uint32_t kNoNode = 0xffff'ffff;
inline constexpr std::uint8_t kAnyProtocol = 0xff;
inline constexpr std::int64_t kNeverExpires = std::numeric_limits<std::int64_t>::max();

// A rule as the tables cite it: the clause that holds its conditions, and its position in its layer.
struct RuleRef {
  std::uint32_t clause = 0;
  std::uint32_t rule = 0;
  friend constexpr bool operator==(const RuleRef&, const RuleRef&) = default;
  friend constexpr auto operator<=>(const RuleRef&, const RuleRef&) = default;
};

// The conditions that rules of one layer share, besides their hosts and addresses. A million blocked names are a
// million entries of the name index and one clause.
struct Clause {
  static constexpr std::uint8_t kAllow = 1;
  static constexpr std::uint8_t kNeedsHost = 2;
  static constexpr std::uint8_t kNeedsAddress = 4;
  static constexpr std::uint8_t kRequireAuth = 8;

  std::uint16_t layer = 0;
  std::uint8_t flags = 0;
  std::uint8_t protocol = kAnyProtocol;
  std::uint32_t ports_begin = 0;  // into ports; count 0: any port
  std::uint32_t ports_count = 0;
  std::uint32_t reserved = 0;
  std::int64_t expires_at_ms = kNeverExpires;
};

struct ClausePort {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::uint8_t protocol = kAnyProtocol;
  std::uint8_t reserved[3] = {};
};

struct LayerVotes {
  std::uint8_t unmatched = 0;   // Vote
  std::uint8_t quarantine = 0;  // its unmatched denial holds in every mode
};

// A distinct prefix. The addresses of an interval belong to a node and to all its ancestors.
struct PrefixNode {
  std::uint32_t parent = kNoNode;
  std::uint32_t members_begin = 0;
  std::uint32_t members_count = 0;
};

// A rule that lists a node's prefix; it does not match inside its exceptions.
struct PrefixMember {
  RuleRef rule;
  std::uint32_t except_begin = 0;
  std::uint32_t except_count = 0;
};

struct ExceptPrefix {
  Address base;
  std::uint64_t wide_prefix = 0;
};

struct ControlPlaneEndpoint {
  Address address;
  std::uint64_t port = 0;
};

enum class NoPolicyCause : std::uint8_t {
  kNone = 0,
  kUnavailable = 1,
  kNamespaceUnknown = 2,
  kStale = 3,
  kRefused = 4,  // the server knows better who the workload is, or nothing of its token (any more)
};

// Offset in bytes from the table's start and number of elements.
struct TableSpan {
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
};

struct ConnectTableHeader {
  static constexpr std::uint8_t kAuthenticated = 1;
  static constexpr std::uint8_t kHasExpiry = 2;

  std::uint32_t magic = kConnectTableMagic;
  std::uint32_t format = kConnectTableFormat;
  std::uint32_t total_bytes = 0;
  std::uint8_t mode = 0;
  std::uint8_t loopback = 0;
  std::uint8_t lookups = 0;
  std::uint8_t default_action = 0;
  std::uint8_t flags = 0;
  std::uint8_t no_policy = 0;  // NoPolicyCause; anything but kNone denies everything
  std::uint16_t reserved = 0;
  TableSpan layers;         // LayerVotes
  TableSpan clauses;        // Clause
  TableSpan ports;          // ClausePort
  TableSpan everywhere;     // RuleRef: rules with neither hosts nor cidrs
  TableSpan nodes;          // PrefixNode
  TableSpan members;        // PrefixMember
  TableSpan excepts;        // ExceptPrefix
  TableSpan v4_starts;      // std::uint32_t, ascending, the first is 0
  TableSpan v4_nodes;       // std::uint32_t, parallel to v4_starts: the interval's deepest node or kNoNode
  TableSpan v6_starts;      // Address, ascending, the first is ::
  TableSpan v6_nodes;       // std::uint32_t
  TableSpan control_plane;  // ControlPlaneEndpoint
};
static_assert(std::is_trivially_copyable_v<ConnectTableHeader>);
static_assert(sizeof(Clause) == 24 && sizeof(PrefixNode) == 12 && sizeof(PrefixMember) == 16);
static_assert(sizeof(ExceptPrefix) == 24 && sizeof(LayerVotes) == 2 && sizeof(ClausePort) == 8);

// A checked view of a table's bytes. Copyable; the bytes must outlive it.
class ConnectTable {
 public:
  ConnectTable() noexcept = default;

  // False if the bytes are not a table that fits `size`. Alignment of `data` must be 8.
  bool open(const std::byte* data, std::size_t size) noexcept;

  const ConnectTableHeader& header() const noexcept { return header_; }
  std::span<const LayerVotes> layers() const noexcept { return span<LayerVotes>(header_.layers); }
  std::span<const Clause> clauses() const noexcept { return span<Clause>(header_.clauses); }
  std::span<const ClausePort> ports() const noexcept { return span<ClausePort>(header_.ports); }
  std::span<const RuleRef> everywhere() const noexcept { return span<RuleRef>(header_.everywhere); }
  std::span<const PrefixNode> nodes() const noexcept { return span<PrefixNode>(header_.nodes); }
  std::span<const PrefixMember> members() const noexcept { return span<PrefixMember>(header_.members); }
  std::span<const ExceptPrefix> excepts() const noexcept { return span<ExceptPrefix>(header_.excepts); }
  std::span<const std::uint32_t> v4_starts() const noexcept { return span<std::uint32_t>(header_.v4_starts); }
  std::span<const std::uint32_t> v4_nodes() const noexcept { return span<std::uint32_t>(header_.v4_nodes); }
  std::span<const Address> v6_starts() const noexcept { return span<Address>(header_.v6_starts); }
  std::span<const std::uint32_t> v6_nodes() const noexcept { return span<std::uint32_t>(header_.v6_nodes); }
  std::span<const ControlPlaneEndpoint> control_plane() const noexcept {
    return span<ControlPlaneEndpoint>(header_.control_plane);
  }

  // The deepest prefix that holds `address`, or kNoNode. O(log prefixes).
  std::uint32_t find_node(Address address) const noexcept;

 private:
  template <typename T>
  std::span<const T> span(TableSpan where) const noexcept {
    return {reinterpret_cast<const T*>(data_ + where.offset), where.count};
  }

  const std::byte* data_ = nullptr;
  ConnectTableHeader header_{};
};

}  // namespace egress
