// Namespaces and EgressDomains, which are not kept as documents, written as ones. Every string is quoted, so that no
// value is ever read as something else.
#pragma once

#include <string>

#include "server/store/records.h"

namespace egress::server {

// A stream of one document, ending in a line break; applying it changes nothing.
std::string render_namespace_document(const NamespaceRecord& record);
std::string render_domain_document(const EgressEntry& entry);

}  // namespace egress::server
