// A manifest as it came in, checked as far as it can be without knowing what is stored.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/manifest/problem.h"
#include "shared/policy/documents.h"

namespace egress::server {

// Whether documents of this kind are kept as documents: not Namespace and EgressDomain.
bool is_stored_kind(const Document& document);

struct InputDocument {
  Document in_stream;   // lines are those of the stream
  Document on_its_own;  // lines are those of `source`; equal to `in_stream` for kinds that are not stored
  std::string source;   // for stored kinds
  int first_line = 0;   // of `source` within the stream
};

struct ManifestInput {
  std::vector<InputDocument> documents;  // as written; empty if there are problems
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
};

ManifestInput read_manifest_input(std::string_view text, std::string_view default_namespace);

}  // namespace egress::server
