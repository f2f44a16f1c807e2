// Manifests: a stream of YAML or JSON documents into typed policy documents, or every problem with its position. What a
// document means together with others (references, narrowing) is not checked here: policy/assemble.h does.
#pragma once

#include <string_view>
#include <vector>

#include "shared/manifest/problem.h"
#include "shared/policy/documents.h"

namespace egress {

struct ParsedManifest {
  std::vector<Document> documents;  // empty if there are problems
  std::vector<Problem> problems;    // any: the manifest is refused whole
  std::vector<Problem> warnings;    // fields that are accepted but not enforced, host bits that were cleared
};

// `default_namespace`: where documents without metadata.namespace belong; empty: "/" for gateways and routes, "default"
// for MirrordPolicy. Never throws. O(text).
ParsedManifest parse_manifest_documents(std::string_view text, std::string_view default_namespace = {});

}  // namespace egress
