#include "server/service/grants.h"

#include <algorithm>
#include <set>

#include "shared/policy/assemble.h"

namespace egress::server {
namespace {

// Whether `a` lives at least as long as `b`.
bool outlives(const DomainEntry& a, const DomainEntry& b) {
  return !a.expires_at_ms || (b.expires_at_ms && *a.expires_at_ms >= *b.expires_at_ms);
}

bool attaches_to(const EgressL4Route& route, const std::string& path) {
  return std::any_of(route.parents.begin(), route.parents.end(),
                     [&](const ParentRef& parent) { return parent.namespace_path == path; });
}

// The layers of what is attached to `path` itself; routes may attach from anywhere.
std::vector<Layer> own_layers(const std::vector<Document>& documents, const std::string& path) {
  std::vector<Document> own;
  std::set<std::pair<std::string, std::string>> routes;
  for (const Document& document : documents) {
    const auto* route = std::get_if<EgressL4Route>(&document);
    const bool is_home =
        std::holds_alternative<MirrordPolicy>(document) || std::holds_alternative<EgressGateway>(document);
    if (route != nullptr ? !attaches_to(*route, path) : !is_home || head_of(document).namespace_path != path) continue;
    own.push_back(document);
    if (route != nullptr) routes.emplace(route->head.namespace_path, route->head.name);
  }
  for (const Document& document : documents) {
    const auto* policy = std::get_if<EgressDenyPolicy>(&document);
    if (policy != nullptr && routes.contains({policy->head.namespace_path, policy->route})) own.push_back(document);
  }
  auto layers = assemble_policy_layers(own, path).layers;
  // Where a rule was written and how it is cited says nothing about what it lets through.
  for (Layer& layer : layers) {
    for (Rule& rule : layer.rules) {
      rule.name.clear();
      rule.document.clear();
      rule.line = 0;
    }
  }
  return layers;
}

bool has_rule(const Layer& layer, const Rule& rule) {
  return std::find(layer.rules.begin(), layer.rules.end(), rule) != layer.rules.end();
}

bool allows(const Layer& layer) {
  return layer.unmatched == Vote::kAllow || std::any_of(layer.rules.begin(), layer.rules.end(),
                                                        [](const Rule& rule) { return rule.action == Action::kAllow; });
}

bool allows_more(const Layer& was, const Layer& is) {
  if (!allows(is)) return false;
  if (is.unmatched == Vote::kAllow && was.unmatched != Vote::kAllow) return true;
  if (is.applies_to != was.applies_to) return true;
  for (const Rule& rule : is.rules) {
    if (rule.action == Action::kAllow && !has_rule(was, rule)) return true;
  }
  return std::any_of(was.rules.begin(), was.rules.end(),
                     [&](const Rule& rule) { return rule.action == Action::kDeny && !has_rule(is, rule); });
}

}  // namespace

std::optional<std::string> find_added_grant(const AllowList& before, const AllowList& after, UnixMillis now_ms) {
  if (!after) return std::nullopt;
  for (const DomainEntry& entry : *after) {
    if (!is_live(entry, now_ms)) continue;
    const bool had = before && std::any_of(before->begin(), before->end(), [&](const DomainEntry& old) {
                       return outlives(old, entry) && covers(old.pattern, entry.pattern);
                     });
    if (!had) return format_host_pattern(entry.pattern);
  }
  return std::nullopt;
}

std::optional<std::string> find_added_grant(const std::vector<Document>& before, const std::vector<Document>& after,
                                            const std::string& path) {
  const auto were = own_layers(before, path);
  for (const Layer& layer : own_layers(after, path)) {
    const auto was = std::find_if(were.begin(), were.end(), [&](const Layer& old) { return old.id == layer.id; });
    if (was == were.end() ? allows(layer) : allows_more(*was, layer)) return layer.id;
  }
  return std::nullopt;
}

}  // namespace egress::server
