// External interface: is_reachable() of evaluate.h.
//
// Within one interval of the address index, a verdict depends on the port and transport alone, and changes only where a
// matching clause's port range begins or ends. If any port is allowed, the smallest such port is 1, or the first port
// of a matching range, or follows the last port of one. So it is enough to try those.
//
// Where an IPv6 range embeds IPv4 addresses, IPv4 block rules cut it further: there the embedded forms of the IPv4
// intervals' first addresses stand for their parts as well.
#include "shared/evaluate/evaluate.h"
#include "shared/evaluate/matches.h"

namespace egress {
namespace {

constexpr Transport kTransports[] = {Transport::kTcp, Transport::kUdp, Transport::kIcmp, Transport::kOther};

bool is_allowed_at(const ConnectTable& table, ConnectionFacts facts, const Candidate& candidate) noexcept {
  for (const Transport transport : kTransports) {
    facts.transport = transport;
    if (evaluate_stack(table, facts, &candidate).verdict == Verdict::kAllow) return true;
  }
  return false;
}

bool is_reachable_at(const ConnectTable& table, Address address, const Candidate& candidate,
                     UnixMillis now_ms) noexcept {
  ConnectionFacts facts;
  facts.address = address;
  facts.now_ms = now_ms;
  facts.port = 1;
  if (is_allowed_at(table, facts, candidate)) return true;
  bool reachable = false;
  evaluation::for_each_destination_match(table, evaluation::find_destination(table, facts), &candidate,
                                         [&](RuleRef, const Clause& clause) {
                                           if (reachable || !evaluation::is_live(clause, now_ms)) return;
                                           const auto ports = table.ports();
                                           for (std::uint32_t i = 0; i < clause.ports_count && !reachable; ++i) {
                                             const std::uint64_t index = std::uint64_t{clause.ports_begin} + i;
                                             if (index >= ports.size()) return;
                                             facts.port = ports[index].first;
                                             reachable = is_allowed_at(table, facts, candidate);
                                             if (reachable || ports[index].last == 65535) continue;
                                             facts.port = static_cast<std::uint16_t>(ports[index].last + 1);
                                             reachable = is_allowed_at(table, facts, candidate);
                                           }
                                         });
  return reachable;
}

bool is_destination(Address address) noexcept {
  return !is_loopback(canonical(address)) && !is_synthetic(address) && address != make_ipv4(0xffff'ffff);
}

}  // namespace

bool is_reachable(const ConnectTable& table, std::span<const RuleRef> label, UnixMillis now_ms) noexcept {
  if (table.header().no_policy != 0) return false;
  Candidate candidate;
  candidate.label = label;
  const auto is_witness = [&](Address address) {
    return is_destination(address) && is_reachable_at(table, address, candidate, now_ms);
  };
  // The linker makes the special ranges intervals of their own, so each interval's first address stands for it.
  for (const std::uint32_t start : table.v4_starts()) {
    if (is_witness(make_ipv4(start))) return true;
  }
  for (const Address start : table.v6_starts()) {
    if (is_witness(start)) return true;
  }
  for (const std::uint32_t start : table.v4_starts()) {
    const Address nat64{0x0064'ff9b'0000'0000, start};
    const Address six_to_four{std::uint64_t{0x2002} << 48 | std::uint64_t{start} << 16, 0};
    const Address compatible{0, start};
    if (is_witness(nat64) || is_witness(six_to_four) || is_witness(compatible)) return true;
  }
  return false;
}

}  // namespace egress
