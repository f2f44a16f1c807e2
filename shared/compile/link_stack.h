// Linking: a workload's stack of compiled layers becomes the connect table that processes read and the name index that
// the agent keeps. Workload selectors are resolved here, because a session's labels never change.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/compile/compiled_layer.h"
#include "shared/compile/name_index.h"
#include "shared/evaluate/connect_table.h"
#include "shared/net/address.h"
#include "shared/policy/names.h"
#include "shared/policy/workload.h"

namespace egress {

struct Endpoint {
  Address address;
  std::uint16_t port = 0;
};

struct StackSettings {
  Action default_action = Action::kDeny;
  Mode mode = Mode::kEnforcement;
  LoopbackMode loopback = LoopbackMode::kPass;
  LookupMode lookups = LookupMode::kResolvable;
  std::vector<Endpoint> control_plane;  // refused whatever the policy says
};

struct LinkedStack {
  std::vector<std::byte> connect_table;  // evaluate/connect_table.h
  NameIndex names;
  std::vector<CompiledLayer> layers;  // in stack order; RuleRef and decisions index into it

  // "default" for kNoLayer.
  std::string_view layer_id(std::uint16_t layer) const;
  // "unmatched" for kNoRule.
  std::string_view rule_name(std::uint16_t layer, std::uint32_t rule) const;
};

// `layers` in stack order (policy.md section 4). kTooLarge if the table exceeds `max_table_bytes` or the stack 256
// layers. O(n log n) in rules and CIDRs.
Expected<LinkedStack> link_stack(std::vector<CompiledLayer> layers, const StackSettings& settings,
                                 const Workload& workload, std::size_t max_table_bytes);

// A table that denies everything with no_policy: what a session holds before its first bundle, or when its namespace
// does not exist.
LinkedStack link_no_policy(NoPolicyCause cause, const std::vector<Endpoint>& control_plane);

}  // namespace egress
