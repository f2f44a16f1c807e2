#include "server/service/manifest_state.h"

#include <algorithm>
#include <set>

#include "shared/policy/assemble.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

std::set<std::string> closing_layers(const std::vector<Document>& documents) {
  std::set<std::string> ids;
  for (const Layer& layer : assemble_policy_layers(documents, kRootNamespace).layers) {
    if (layer.unmatched == Vote::kDeny) ids.insert(layer.id);
  }
  return ids;
}

}  // namespace

DocumentKey key_of(const DocumentHead& head) { return {head.kind, head.namespace_path, head.name}; }

bool closes_root(const std::vector<Document>& before, const std::vector<Document>& after) {
  const auto closed = closing_layers(before);
  const auto closing = closing_layers(after);
  return std::any_of(closing.begin(), closing.end(), [&](const std::string& id) { return !closed.contains(id); });
}

}  // namespace egress::server
