// The policy documents as a whole: who they are, what refers to nothing, what a change newly closes. Pure.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "shared/policy/documents.h"

namespace egress::server {

using DocumentKey = std::tuple<std::string, std::string, std::string>;  // kind, namespace, name: the stored order
DocumentKey key_of(const DocumentHead& head);

// Whether `after` has a layer that is attached to the root, closes what it does not list, and did not do so before.
bool closes_root(const std::vector<Document>& before, const std::vector<Document>& after);

}  // namespace egress::server
