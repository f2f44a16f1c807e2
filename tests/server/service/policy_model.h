// Namespaces and the global table as the plainest thing that could be right: sets, loops over all of them, no store.
// What it expects is compared with what the services do.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/policy/names.h"

namespace egress::server {

using Domains = std::set<std::string>;

struct ModelNamespace {
  std::optional<Domains> allowed;
  Domains blocked;
  std::optional<Mode> mode;
  std::optional<LoopbackMode> loopback;
  std::optional<LookupMode> lookups;
  friend bool operator==(const ModelNamespace&, const ModelNamespace&) = default;
};

struct Model {
  std::map<std::string, ModelNamespace> namespaces;
  Domains allowed;  // the global table
  Domains blocked;
  friend bool operator==(const Model&, const Model&) = default;

  bool exists(const std::string& path) const { return namespaces.contains(path); }
  // "/a/b": from "a/b" to "/", itself included, whether they exist or not.
  static std::vector<std::string> chain(const std::string& path);
  static bool is_within(const std::string& path, const std::string& subtree);
  static bool covers(const std::string& parent, const std::string& child);
  static bool lists(const Domains& domains, const std::string& domain);

  bool allows(const std::string& path, const std::string& name) const;
  Mode mode(const std::string& path) const { return inherited(path, &ModelNamespace::mode, Mode::kEnforcement); }
  LoopbackMode loopback(const std::string& path) const {
    return inherited(path, &ModelNamespace::loopback, LoopbackMode::kPass);
  }
  LookupMode lookups(const std::string& path) const {
    return inherited(path, &ModelNamespace::lookups, LookupMode::kResolvable);
  }
  // The nearest namespace's own value, from `path` up.
  template <typename Value>
  Value inherited(const std::string& path, std::optional<Value> ModelNamespace::*own, Value otherwise) const {
    for (const std::string& level : chain(path)) {
      const auto found = namespaces.find(level);
      if (found != namespaces.end() && found->second.*own) return *(found->second.*own);
    }
    return otherwise;
  }
  // Whether an ancestor of `path`, other than itself, has a list.
  bool is_bounded(const std::string& path) const;
  // Whether `name` is in the global table or in a list that nothing above bounds, of the namespaces in or above
  // `subtree`: all that may ever be let through there without the root's doing.
  bool is_granted(const std::string& subtree, const std::string& name) const;
};

// What becomes of a change from one state to the other by an operator of `scope`: "", or the code of its refusal.
std::string expected_refusal(const Model& before, const Model& after, const std::string& scope, bool force);

}  // namespace egress::server
