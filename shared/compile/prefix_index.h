// Builds the address index of a connect table: distinct prefixes become nodes, each linked to the shortest prefix
// around it, and the address space becomes ascending intervals that each name their deepest node. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "shared/evaluate/connect_table.h"
#include "shared/net/cidr.h"

namespace egress {

class PrefixIndex {
 public:
  // The special ranges of policy.md section 1 become intervals of their own from the start.
  PrefixIndex();

  // `rule` lists `cidr`, but for the addresses inside `except`.
  void add(const Cidr& cidr, RuleRef rule, const std::vector<Cidr>& except);

  struct Tables {
    std::vector<PrefixNode> nodes;
    std::vector<PrefixMember> members;
    std::vector<ExceptPrefix> excepts;
    std::vector<std::uint32_t> v4_starts;
    std::vector<std::uint32_t> v4_nodes;
    std::vector<Address> v6_starts;
    std::vector<std::uint32_t> v6_nodes;
  };
  // O(n log n).
  Tables build() const;

 private:
  struct Order {  // enclosing prefixes first
    bool operator()(const Cidr& a, const Cidr& b) const {
      if (a.ipv4 != b.ipv4) return a.ipv4;
      return a.base != b.base ? a.base < b.base : a.prefix < b.prefix;
    }
  };
  std::map<Cidr, std::vector<PrefixMember>, Order> prefixes_;
  std::vector<ExceptPrefix> excepts_;
};

}  // namespace egress
