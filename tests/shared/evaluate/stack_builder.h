// Test scaffolding: policies written as Layer values, linked as the agent links them, and asked about connections.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/compile/link_stack.h"
#include "shared/evaluate/evaluate.h"
#include "shared/policy/rule.h"

namespace egress::testing {

// "name", "*.name", "10.0.0.0/8", or "/regex/".
HostPattern host(std::string_view text);
Cidr cidr(std::string_view text);
Address address(std::string_view text);

Rule allow_hosts(std::vector<std::string_view> hosts);
Rule block_hosts(std::vector<std::string_view> hosts);
Rule allow_cidr(std::string_view block, std::vector<std::string_view> except = {});
Rule block_cidr(std::string_view block, std::vector<std::string_view> except = {});
Rule with_port(Rule rule, std::uint16_t first, std::uint16_t last, std::optional<Transport> protocol = std::nullopt);

// Compiles, loads and links; fails the test on any error.
LinkedStack link(const std::vector<Layer>& layers, const StackSettings& settings = {}, const Workload& workload = {});

struct Question {
  std::vector<std::string> names;  // most recently resolved first; empty: nameless
  std::string address = "203.0.113.5";
  std::uint16_t port = 443;
  Transport transport = Transport::kTcp;
  UnixMillis now_ms = 0;
};

Decision ask(const LinkedStack& stack, const Question& question);
Decision ask_raw_socket(const LinkedStack& stack);

}  // namespace egress::testing
