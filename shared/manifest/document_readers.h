// One reader a kind of document. Internal to this folder.
#pragma once

#include <optional>

#include "shared/manifest/fields.h"
#include "shared/policy/documents.h"

namespace egress {

// Each reads `spec` (and, for some, checks the head). nullopt only after a problem was reported.
std::optional<Document> read_mirrord_policy(DocumentHead head, Fields& document);
std::optional<Document> read_egress_gateway(DocumentHead head, Fields& document);
std::optional<Document> read_egress_l4_route(DocumentHead head, Fields& document);
std::optional<Document> read_egress_deny_policy(DocumentHead head, Fields& document);
std::optional<Document> read_namespace(DocumentHead head, Fields& document);
std::optional<Document> read_egress_domain(DocumentHead head, Fields& document);
std::optional<Document> read_policy_test(DocumentHead head, Fields& document);

}  // namespace egress
