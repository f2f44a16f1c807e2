#include "server/distribution/layer_source.h"

#include "server/service/egress_policy.h"

namespace egress::server {
namespace {

// CIDRs of a domain list match addresses, so they become the rule's `cidrs`.
Rule make_rule(Action action, const HostPattern& pattern, std::optional<UnixMillis> expires_at_ms) {
  Rule rule;
  rule.action = action;
  rule.name = rule_name(action, pattern);
  rule.expires_at_ms = expires_at_ms;
  if (pattern.kind == HostPatternKind::kCidr) {
    rule.cidrs.push_back({pattern.cidr, {}});
  } else {
    rule.hosts.push_back(pattern);
  }
  return rule;
}

}  // namespace

Layer make_egress_layer(const std::vector<EgressEntry>& entries) {
  Layer layer;
  layer.id = std::string(kEgressLayer);
  for (const EgressEntry& entry : entries) {
    Rule rule = make_rule(entry.action, entry.pattern, entry.expires_at_ms);
    rule.require_auth = entry.require_auth;
    layer.rules.push_back(std::move(rule));
  }
  return layer;
}

Layer make_namespace_layer(const NamespaceRecord& record) {
  Layer layer;
  layer.id = "namespace:" + record.path;
  layer.unmatched = record.allowed ? Vote::kDeny : Vote::kAbstain;
  layer.quarantine = record.allowed && record.allowed->empty();
  for (const DomainEntry& entry : record.blocked) {
    layer.rules.push_back(make_rule(Action::kDeny, entry.pattern, entry.expires_at_ms));
  }
  if (record.allowed) {
    for (const DomainEntry& entry : *record.allowed) {
      layer.rules.push_back(make_rule(Action::kAllow, entry.pattern, entry.expires_at_ms));
    }
  }
  return layer;
}

}  // namespace egress::server
