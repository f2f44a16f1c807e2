#include "tests/server/service/policy_model.h"

namespace egress::server {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || path == "/" ? "/" : path.substr(0, slash);
}

std::set<std::string> touched(const Model& before, const Model& after) {
  std::set<std::string> paths;
  for (const auto* model : {&before, &after}) {
    for (const auto& [path, space] : model->namespaces) {
      const auto was = before.namespaces.find(path);
      const auto is = after.namespaces.find(path);
      if (was == before.namespaces.end() || is == after.namespaces.end() || was->second != is->second) {
        paths.insert(path);
      }
    }
  }
  return paths;
}

std::optional<Domains> list_of(const Model& model, const std::string& path) {
  const auto found = model.namespaces.find(path);
  return found == model.namespaces.end() ? std::nullopt : found->second.allowed;
}

// Whether a setting is laxer at `path` than it was, or newly set there to a value laxer than the parent's.
template <typename Value>
bool gets_laxer(const Model& before, const Model& after, const std::string& path,
                std::optional<Value> ModelNamespace::*own, Value (Model::*effective)(const std::string&) const) {
  if ((after.*effective)(path) < (before.*effective)(path)) return true;
  const auto own_of = [&](const Model& model) {
    const auto found = model.namespaces.find(path);
    return found == model.namespaces.end() ? std::nullopt : found->second.*own;
  };
  const auto value = own_of(after);
  return value && value != own_of(before) && *value < (after.*effective)(parent_of(path));
}

bool may(const std::string& scope, const std::string& path) { return Model::is_within(path, scope); }

bool is_out_of_scope(const Model& before, const Model& after, const std::string& scope) {
  if (scope == "/") return false;
  if (before.allowed != after.allowed || before.blocked != after.blocked) return true;
  for (const std::string& path : touched(before, after)) {
    if (!may(scope, path)) return true;
    if (may(scope, parent_of(path))) continue;
    if (gets_laxer(before, after, path, &ModelNamespace::mode, &Model::mode)) return true;
    if (gets_laxer(before, after, path, &ModelNamespace::loopback, &Model::loopback)) return true;
    if (gets_laxer(before, after, path, &ModelNamespace::lookups, &Model::lookups)) return true;
  }
  // A grant that no list above bounds, where there was no such grant.
  for (const auto& [path, space] : after.namespaces) {
    if (!space.allowed || after.is_bounded(path)) continue;
    const auto had = before.is_bounded(path) ? std::nullopt : list_of(before, path);
    for (const std::string& domain : *space.allowed) {
      if (!had || !Model::lists(*had, domain)) return true;
    }
  }
  return false;
}

bool is_in_use(const Model& before, const Model& after) {
  for (const std::string& path : touched(before, after)) {
    if (after.exists(path)) continue;
    for (const auto& [other, space] : after.namespaces) {
      if (other != path && Model::is_within(other, path)) return true;
    }
  }
  return false;
}

bool widens(const Model& before, const Model& after) {
  for (const std::string& path : touched(before, after)) {
    const auto is = list_of(after, path);
    const auto was = list_of(before, path);
    if (!is || is == was) continue;
    for (const std::string& domain : *is) {
      if (was && was->contains(domain)) continue;
      for (const std::string& ancestor : Model::chain(path)) {
        const auto bound = list_of(after, ancestor);
        if (ancestor != path && bound && !Model::lists(*bound, domain)) return true;
      }
    }
  }
  return false;
}

bool cascades(const Model& before, const Model& after) {
  for (const std::string& path : touched(before, after)) {
    const auto is = list_of(after, path);
    if (!is || is == list_of(before, path)) continue;
    for (const auto& [child, space] : after.namespaces) {
      if (child == path || !Model::is_within(child, path) || !space.allowed) continue;
      for (const std::string& domain : *space.allowed) {
        if (!Model::lists(*is, domain)) return true;
      }
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> Model::chain(const std::string& path) {
  std::vector<std::string> paths;
  for (std::string at = path; at != "/"; at = parent_of(at)) paths.push_back(at);
  paths.push_back("/");
  return paths;
}

bool Model::is_within(const std::string& path, const std::string& subtree) {
  for (const std::string& ancestor : chain(path)) {
    if (ancestor == subtree) return true;
  }
  return false;
}

bool Model::covers(const std::string& parent, const std::string& child) {
  if (parent == child) return true;
  if (!parent.starts_with("*.")) return false;
  const std::string suffix = parent.substr(1);
  return child.ends_with(suffix) && child.find('.') == child.size() - suffix.size() && child[0] != '*';
}

bool Model::lists(const Domains& domains, const std::string& domain) {
  for (const std::string& candidate : domains) {
    if (covers(candidate, domain)) return true;
  }
  return false;
}

bool Model::allows(const std::string& path, const std::string& name) const {
  if (lists(blocked, name)) return false;
  bool allowed_somewhere = lists(allowed, name);
  for (const std::string& level : chain(path)) {
    const auto found = namespaces.find(level);
    if (found == namespaces.end()) continue;
    if (lists(found->second.blocked, name)) return false;
    if (!found->second.allowed) continue;
    if (!lists(*found->second.allowed, name)) return false;
    allowed_somewhere = true;
  }
  return allowed_somewhere;
}

bool Model::is_bounded(const std::string& path) const {
  for (const std::string& level : chain(path)) {
    if (level != path && list_of(*this, level)) return true;
  }
  return false;
}

bool Model::is_granted(const std::string& subtree, const std::string& name) const {
  if (lists(allowed, name)) return true;
  for (const auto& [path, space] : namespaces) {
    const bool concerns = is_within(path, subtree) || is_within(subtree, path);
    if (concerns && space.allowed && !is_bounded(path) && lists(*space.allowed, name)) return true;
  }
  return false;
}

std::string expected_refusal(const Model& before, const Model& after, const std::string& scope, bool force) {
  if (is_out_of_scope(before, after, scope)) return "out_of_scope";
  if (!force && is_in_use(before, after)) return "namespace_in_use";
  if (widens(before, after)) return "child_widens_parent";
  if (!force && cascades(before, after)) return "cascade_violations";
  return "";
}

}  // namespace egress::server
