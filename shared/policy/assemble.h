// Documents become the layers of a workload's stack (policy.md section 4): references resolved, gateways of a namespace
// united, routes inverted by deny policies, rules cut to what their listeners carry. Pure; what the server does on a
// write and what `egress exec --policy` does without one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/policy/documents.h"

namespace egress {

struct AssembledLayers {
  std::vector<Layer> layers;  // in stack order
  // Deny responses by layer id and rule name, for listeners that speak HTTP.
  std::map<std::pair<std::string, std::string>, DenyResponse> responses;
};

// The mirrord and gateway layers that apply in `namespace_path`: cluster policies, policies of the namespace and of its
// ancestors, and a gateway layer for each of those that has gateways. Precondition: no reference dangles
// (manifest/references.h).
AssembledLayers assemble_policy_layers(const std::vector<Document>& documents, std::string_view namespace_path);

// The whole stack of documents that stand alone (`egress exec --policy FILE`): EgressDomains, Namespaces on the path,
// then assemble_policy_layers.
AssembledLayers assemble_stack(const std::vector<Document>& documents, std::string_view namespace_path);

// The layer of a namespace's own lists, and of the global domain table. `id` as policy.md section 4 has it.
Layer make_namespace_layer(std::string_view path, const AllowList& allowed, const std::vector<DomainEntry>& blocked);
Rule make_domain_rule(Action action, const HostPattern& pattern, std::optional<UnixMillis> expires_at_ms,
                      bool require_auth);

}  // namespace egress
