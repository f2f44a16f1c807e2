// Enumerates the rules of a connect table that match a connection: the one traversal behind evaluation, the choice of
// the deciding rule, and reachability. Internal to this folder.
#pragma once

#include <algorithm>
#include <optional>

#include "shared/evaluate/evaluate.h"
#include "shared/net/cidr.h"

namespace egress::evaluation {

// No chain of distinct prefixes is longer than the 128 bits of an address.
inline constexpr int kMaxPrefixChain = 129;

inline bool is_excepted(const ConnectTable& table, const PrefixMember& member, Address address) noexcept {
  const auto excepts = table.excepts();
  for (std::uint32_t i = 0; i < member.except_count; ++i) {
    const std::uint64_t index = std::uint64_t{member.except_begin} + i;
    if (index >= excepts.size()) return false;
    const ExceptPrefix& except = excepts[index];
    if (mask_address(address, static_cast<unsigned>(std::min<std::uint64_t>(except.wide_prefix, 128))) == except.base) {
      return true;
    }
  }
  return false;
}

inline bool has_clause(std::span<const RuleRef> label, RuleRef wanted) noexcept {
  return std::binary_search(label.begin(), label.end(), wanted);
}

inline bool matches_ports(const ConnectTable& table, const Clause& clause, const ConnectionFacts& facts) noexcept {
  const bool has_port = facts.transport == Transport::kTcp || facts.transport == Transport::kUdp;
  const auto protocol = static_cast<std::uint8_t>(facts.transport);
  if (clause.protocol != kAnyProtocol && clause.protocol != protocol) return false;
  if (clause.ports_count == 0) return true;
  if (!has_port) return false;
  const auto ports = table.ports();
  for (std::uint32_t i = 0; i < clause.ports_count; ++i) {
    const std::uint64_t index = std::uint64_t{clause.ports_begin} + i;
    if (index >= ports.size()) return false;
    const ClausePort& range = ports[index];
    if (facts.port >= range.first && facts.port <= range.last &&
        (range.protocol == kAnyProtocol || range.protocol == protocol)) {
      return true;
    }
  }
  return false;
}

// What a matching rule says of its layer, as bits of one byte a layer.
inline constexpr std::uint8_t kBlocked = 1;
inline constexpr std::uint8_t kAllowed = 2;
inline constexpr std::uint8_t kUnauthenticated = 4;  // an allow rule matched but for its require_auth

inline bool is_authenticated(const ConnectTable& table) noexcept {
  return (table.header().flags & ConnectTableHeader::kAuthenticated) != 0;
}

inline std::uint8_t outcome_of(const Clause& clause, bool authenticated) noexcept {
  if ((clause.flags & Clause::kAllow) == 0) return kBlocked;
  return (clause.flags & Clause::kRequireAuth) != 0 && !authenticated ? kUnauthenticated : kAllowed;
}

// Calls visit(RuleRef, const Clause&) for each rule whose hosts and addresses match; ports, protocol and expiry are not
// looked at. `only_blocks` is for an embedded IPv4 address, which may block but never allow.
template <typename Visit>
void for_each_destination_match_at(const ConnectTable& table, std::uint32_t node, Address address,
                                   const Candidate* candidate, bool only_blocks, Visit&& visit) noexcept {
  const auto clauses = table.clauses();
  const auto nodes = table.nodes();
  const auto members = table.members();
  for (int depth = 0; node < nodes.size() && depth < kMaxPrefixChain; ++depth) {
    const PrefixNode& prefix = nodes[node];
    for (std::uint32_t i = 0; i < prefix.members_count; ++i) {
      const std::uint64_t index = std::uint64_t{prefix.members_begin} + i;
      if (index >= members.size()) break;
      const PrefixMember& member = members[index];
      if (member.rule.clause >= clauses.size()) continue;
      const Clause& clause = clauses[member.rule.clause];
      if (only_blocks && (clause.flags & Clause::kAllow) != 0) continue;
      if ((clause.flags & Clause::kNeedsHost) != 0 &&
          (candidate == nullptr || !has_clause(candidate->label, member.rule))) {
        continue;
      }
      if (member.except_count != 0 && is_excepted(table, member, address)) continue;
      visit(member.rule, clause);
    }
    node = prefix.parent;
  }
}

// A destination with its place in the address index, which one judgement asks for more than once.
struct Destination {
  Address address;
  std::uint32_t node = kNoNode;
  std::optional<Address> embedded;
  std::uint32_t embedded_node = kNoNode;
  bool link_local = false;
};

inline Destination find_destination(const ConnectTable& table, const ConnectionFacts& facts) noexcept {
  Destination destination;
  if (!facts.has_address) return destination;
  destination.address = facts.address;
  destination.node = table.find_node(facts.address);
  destination.embedded = embedded_ipv4(facts.address);
  if (destination.embedded) destination.embedded_node = table.find_node(*destination.embedded);
  destination.link_local =
      is_link_local(facts.address) || (destination.embedded && is_link_local(*destination.embedded));
  return destination;
}

template <typename Visit>
void for_each_destination_match(const ConnectTable& table, const Destination& to, const Candidate* candidate,
                                Visit&& visit) noexcept {
  const auto clauses = table.clauses();
  for (const RuleRef rule : table.everywhere()) {
    if (rule.clause < clauses.size()) visit(rule, clauses[rule.clause]);
  }
  for_each_destination_match_at(table, to.node, to.address, candidate, false, visit);
  if (to.embedded) for_each_destination_match_at(table, to.embedded_node, *to.embedded, candidate, true, visit);
  if (candidate == nullptr) return;
  for (const RuleRef rule : candidate->label) {
    if (rule.clause >= clauses.size()) continue;
    const Clause& clause = clauses[rule.clause];
    if ((clause.flags & Clause::kNeedsAddress) != 0) continue;  // seen above, if at all
    // Link-local addresses are never allowed by a name alone; what such a rule denies for want of authentication it
    // denies there as well.
    if (to.link_local && outcome_of(clause, is_authenticated(table)) == kAllowed) continue;
    visit(rule, clause);
  }
}

inline bool is_live(const Clause& clause, UnixMillis now_ms) noexcept { return clause.expires_at_ms > now_ms; }

// Calls visit(RuleRef, const Clause&) for each rule that matches.
template <typename Visit>
void for_each_match(const ConnectTable& table, const ConnectionFacts& facts, const Destination& to,
                    const Candidate* candidate, Visit&& visit) noexcept {
  for_each_destination_match(table, to, candidate, [&](RuleRef rule, const Clause& clause) {
    if (is_live(clause, facts.now_ms) && matches_ports(table, clause, facts)) visit(rule, clause);
  });
}

}  // namespace egress::evaluation
