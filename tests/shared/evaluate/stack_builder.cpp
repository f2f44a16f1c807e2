#include "tests/shared/evaluate/stack_builder.h"

#include <gtest/gtest.h>

namespace egress::testing {

HostPattern host(std::string_view text) {
  if (text.size() > 2 && text.front() == '/' && text.back() == '/') {
    return {HostPatternKind::kRegex, std::string(text.substr(1, text.size() - 2)), {}};
  }
  return parse_host_pattern(text).value().pattern;
}

Cidr cidr(std::string_view text) { return parse_cidr(text).value().cidr; }
Address address(std::string_view text) { return parse_address(text).value(); }

namespace {

Rule make_rule(Action action, std::vector<std::string_view> hosts) {
  Rule rule;
  rule.action = action;
  for (const std::string_view text : hosts) {
    rule.hosts.push_back(host(text));
    rule.name += std::string(name_of(action)) + " " + std::string(text);
  }
  return rule;
}

Rule make_rule(Action action, std::string_view block, const std::vector<std::string_view>& except) {
  Rule rule;
  rule.action = action;
  rule.name = std::string(name_of(action)) + " " + std::string(block);
  CidrMatch match{cidr(block), {}};
  for (const std::string_view hole : except) match.except.push_back(cidr(hole));
  rule.cidrs.push_back(std::move(match));
  return rule;
}

}  // namespace

Rule allow_hosts(std::vector<std::string_view> hosts) { return make_rule(Action::kAllow, std::move(hosts)); }
Rule block_hosts(std::vector<std::string_view> hosts) { return make_rule(Action::kDeny, std::move(hosts)); }
Rule allow_cidr(std::string_view block, std::vector<std::string_view> except) {
  return make_rule(Action::kAllow, block, except);
}
Rule block_cidr(std::string_view block, std::vector<std::string_view> except) {
  return make_rule(Action::kDeny, block, except);
}
Rule with_port(Rule rule, std::uint16_t first, std::uint16_t last, std::optional<Transport> protocol) {
  rule.ports.push_back({protocol, {first, last}});
  return rule;
}

LinkedStack link(const std::vector<Layer>& layers, const StackSettings& settings, const Workload& workload) {
  std::vector<CompiledLayer> compiled;
  for (const Layer& layer : layers) compiled.push_back(CompiledLayer::load(compile_layer(layer)).value());
  return link_stack(std::move(compiled), settings, workload, 16u << 20).value();
}

Decision ask(const LinkedStack& stack, const Question& question) {
  ConnectTable table;
  EXPECT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  ConnectionFacts facts{canonical(address(question.address)), question.port, question.transport, question.now_ms};
  std::vector<std::vector<RuleRef>> labels;
  for (const std::string& name : question.names) labels.push_back(stack.names.find(name).value());
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    candidates.push_back({labels[i], static_cast<std::uint32_t>(i + 1), true});
  }
  return evaluate(table, facts, candidates);
}

Decision ask_raw_socket(const LinkedStack& stack) {
  ConnectTable table;
  EXPECT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  return evaluate_raw_socket(table);
}

}  // namespace egress::testing
