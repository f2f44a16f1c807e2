#include "shared/policy/assemble.h"

#include <algorithm>
#include <map>

#include "shared/policy/listener_cut.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

template <typename Kind>
std::vector<const Kind*> all_of(const std::vector<Document>& documents) {
  std::vector<const Kind*> result;
  for (const Document& document : documents) {
    if (const auto* kind = std::get_if<Kind>(&document)) result.push_back(kind);
  }
  return result;
}

// The namespace itself and its ancestors, leaf to root.
std::vector<std::string_view> path_to_root(std::string_view namespace_path) {
  std::vector<std::string_view> path{namespace_path};
  const auto ancestors = ancestor_namespaces(namespace_path);
  path.insert(path.end(), ancestors.begin(), ancestors.end());
  return path;
}

Layer make_mirrord_layer(const MirrordPolicy& policy) {
  Layer layer;
  layer.id = policy.head.namespace_path.empty() ? "mirrord-cluster:" + policy.head.name
                                                : "mirrord:" + policy.head.namespace_path + "/" + policy.head.name;
  layer.applies_to = policy.applies_to;
  layer.rules = policy.rules;
  const bool allows = std::any_of(policy.rules.begin(), policy.rules.end(),
                                  [](const Rule& rule) { return rule.action == Action::kAllow; });
  layer.unmatched = allows ? Vote::kDeny : Vote::kAbstain;
  return layer;
}

// Which documents speak of which, so that each is found without reading all others.
class GatewayDocuments {
 public:
  using Identity = std::pair<std::string_view, std::string_view>;  // namespace and name
  struct Attachment {
    const EgressL4Route* route = nullptr;
    const ParentRef* parent = nullptr;
  };

  explicit GatewayDocuments(const std::vector<Document>& documents) {
    for (const auto* gateway : all_of<EgressGateway>(documents))
      gateways_[gateway->head.namespace_path].push_back(gateway);
    for (const auto* route : all_of<EgressL4Route>(documents)) {
      for (const ParentRef& parent : route->parents) {
        attachments_[{parent.namespace_path, parent.gateway}].push_back({route, &parent});
      }
    }
    for (const auto* policy : all_of<EgressDenyPolicy>(documents)) {
      inversions_.emplace(Identity{policy->head.namespace_path, policy->route}, policy);  // the first
    }
  }

  // All in the order of the documents.
  const std::vector<const EgressGateway*>& gateways_in(std::string_view home) const { return find(gateways_, home); }
  const std::vector<Attachment>& attached_to(const EgressGateway& gateway) const {
    return find(attachments_, Identity{gateway.head.namespace_path, gateway.head.name});
  }

  // The deny policy that inverts a route, if one does.
  const EgressDenyPolicy* find_inversion(const EgressL4Route& route) const {
    const auto found = inversions_.find({route.head.namespace_path, route.head.name});
    return found == inversions_.end() ? nullptr : found->second;
  }

 private:
  template <typename Key, typename Value>
  static const std::vector<Value>& find(const std::map<Key, std::vector<Value>>& lists, const Key& key) {
    static const std::vector<Value> kNone;
    const auto found = lists.find(key);
    return found == lists.end() ? kNone : found->second;
  }

  std::map<std::string_view, std::vector<const EgressGateway*>> gateways_;
  std::map<Identity, std::vector<Attachment>> attachments_;
  std::map<Identity, const EgressDenyPolicy*> inversions_;
};

bool speaks_http(const std::vector<const Listener*>& listeners) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [](const Listener* listener) { return listener->protocol == ListenerProtocol::kHttp; });
}

void add_route(const GatewayDocuments& documents, const EgressL4Route& route, const ParentRef& parent,
               const EgressGateway& gateway, AssembledLayers& result, Layer& layer) {
  const EgressDenyPolicy* inversion = documents.find_inversion(route);
  const auto listeners = attached_listeners(gateway, parent);
  for (const Rule& match : route.matches) {
    auto rule = cut_to_listeners(match, listeners);
    if (!rule) continue;
    rule->name = route.head.name + " " + match.name;
    if (inversion != nullptr) {
      rule->action = Action::kDeny;
      if (inversion->response && speaks_http(listeners))
        result.responses[{layer.id, rule->name}] = *inversion->response;
    }
    layer.rules.push_back(*std::move(rule));
  }
}

void add_gateway_layer(const GatewayDocuments& documents, std::string_view home, AssembledLayers& result) {
  const auto& gateways = documents.gateways_in(home);
  if (gateways.empty()) return;
  Layer layer;
  layer.id = "gateway:" + std::string(home);
  const bool open = std::all_of(gateways.begin(), gateways.end(), [](const EgressGateway* g) { return g->allow_all; });
  layer.unmatched = open ? Vote::kAllow : Vote::kDeny;
  for (const EgressGateway* gateway : gateways) {
    for (const auto& [route, parent] : documents.attached_to(*gateway)) {
      add_route(documents, *route, *parent, *gateway, result, layer);
    }
  }
  result.layers.push_back(std::move(layer));
}

}  // namespace

Rule make_domain_rule(Action action, const HostPattern& pattern, std::optional<UnixMillis> expires_at_ms,
                      bool require_auth) {
  Rule rule;
  rule.action = action;
  rule.name = (action == Action::kAllow ? "allow " : "block ") + format_host_pattern(pattern);
  rule.expires_at_ms = expires_at_ms;
  rule.require_auth = require_auth;
  if (pattern.kind == HostPatternKind::kCidr) {
    rule.cidrs.push_back({pattern.cidr, {}});  // an address needs no name
  } else {
    rule.hosts.push_back(pattern);
  }
  return rule;
}

Layer make_namespace_layer(std::string_view path, const AllowList& allowed, const std::vector<DomainEntry>& blocked) {
  Layer layer;
  layer.id = "namespace:" + std::string(path);
  layer.unmatched = allowed ? Vote::kDeny : Vote::kAbstain;
  layer.quarantine = allowed && allowed->empty();
  for (const DomainEntry& entry : blocked) {
    layer.rules.push_back(make_domain_rule(Action::kDeny, entry.pattern, entry.expires_at_ms, false));
  }
  if (!allowed) return layer;
  for (const DomainEntry& entry : *allowed) {
    layer.rules.push_back(make_domain_rule(Action::kAllow, entry.pattern, entry.expires_at_ms, false));
  }
  return layer;
}

AssembledLayers assemble_policy_layers(const std::vector<Document>& documents, std::string_view namespace_path) {
  AssembledLayers result;
  const auto path = path_to_root(namespace_path);
  for (const MirrordPolicy* policy : all_of<MirrordPolicy>(documents)) {
    const std::string& home = policy->head.namespace_path;
    const bool applies = home.empty() || std::find(path.begin(), path.end(), home) != path.end();
    if (applies) result.layers.push_back(make_mirrord_layer(*policy));
  }
  const GatewayDocuments gateways(documents);
  for (const std::string_view home : path) add_gateway_layer(gateways, home, result);
  return result;
}

AssembledLayers assemble_stack(const std::vector<Document>& documents, std::string_view namespace_path) {
  AssembledLayers result;
  Layer global;
  global.id = "egress";
  for (const EgressDomain* domain : all_of<EgressDomain>(documents)) {
    Rule rule = make_domain_rule(domain->action, domain->pattern, domain->expires_at_ms, domain->require_auth);
    rule.document = cite(domain->head);
    rule.line = static_cast<std::uint32_t>(domain->head.line);
    global.rules.push_back(std::move(rule));
  }
  result.layers.push_back(std::move(global));
  for (const std::string_view level : path_to_root(namespace_path)) {
    for (const NamespaceDocument* document : all_of<NamespaceDocument>(documents)) {
      if (document->head.name != level) continue;
      Layer layer = make_namespace_layer(level, document->allowed_domains, document->blocked_domains);
      for (Rule& rule : layer.rules) {
        rule.document = cite(document->head);
        rule.line = static_cast<std::uint32_t>(document->head.line);
      }
      result.layers.push_back(std::move(layer));
    }
  }
  AssembledLayers policies = assemble_policy_layers(documents, namespace_path);
  std::move(policies.layers.begin(), policies.layers.end(), std::back_inserter(result.layers));
  result.responses = std::move(policies.responses);
  return result;
}

}  // namespace egress
