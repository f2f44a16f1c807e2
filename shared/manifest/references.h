// What documents say of each other: gateways, listener sections and routes that must exist, and protocols and ports
// that a route's listeners must carry.
#pragma once

#include <vector>

#include "shared/manifest/problem.h"
#include "shared/policy/documents.h"

namespace egress {

// Problems of `documents` as a whole: references that lead nowhere, matches that none of their listeners carries, two
// documents of one kind, namespace and name. Positions are those of the referring document's stream.
std::vector<Problem> find_reference_problems(const std::vector<Document>& documents);

}  // namespace egress
