#include "tests/preload/library/policies.h"

#include "shared/session/arena.h"

namespace egress {
namespace {

Rule allow_cidr(const AllowedPort& allowed) {
  Rule rule;
  rule.name = "allow " + allowed.cidr;
  rule.cidrs.push_back({.cidr = parse_cidr(allowed.cidr).value().cidr, .except = {}});
  if (allowed.port != 0) rule.ports.push_back({.protocol = allowed.transport, .range = {allowed.port, allowed.port}});
  if (allowed.port == 0) rule.protocol = allowed.transport;
  return rule;
}

LinkedStack link(std::vector<Rule> rules, Mode mode) {
  Layer layer;
  layer.id = "test";
  layer.unmatched = Vote::kDeny;
  layer.rules = std::move(rules);
  std::vector<CompiledLayer> layers;
  layers.push_back(CompiledLayer::load(compile_layer(layer)).value());
  StackSettings settings;
  settings.mode = mode;
  settings.loopback = LoopbackMode::kEnforce;
  return std::move(link_stack(std::move(layers), settings, Workload{}, kMaxTableBytes)).value();
}

}  // namespace

LinkedStack allow_only(const std::vector<AllowedPort>& allowed, Mode mode) {
  std::vector<Rule> rules;
  for (const AllowedPort& each : allowed) rules.push_back(allow_cidr(each));
  return link(std::move(rules), mode);
}

LinkedStack allow_names(const std::vector<std::string>& names) {
  std::vector<Rule> rules;
  for (const std::string& name : names) {
    Rule rule;
    rule.name = "allow " + name;
    rule.hosts.push_back({.kind = HostPatternKind::kExact, .text = name});
    rules.push_back(std::move(rule));
  }
  return link(std::move(rules), Mode::kEnforcement);
}

LinkedStack allow_loopback_among_many() {
  std::vector<Rule> rules;
  for (unsigned i = 0; i < 10'000; ++i) {
    const std::string cidr = "10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24";
    rules.push_back(allow_cidr({.cidr = cidr, .port = 443, .transport = Transport::kTcp}));
  }
  rules.push_back(allow_cidr({.cidr = "127.0.0.1/32", .port = 0, .transport = std::nullopt}));
  return link(std::move(rules), Mode::kEnforcement);
}

}  // namespace egress
