// Documents as the records that the store keeps of them. Whoever made a record first, and when, stays with it.
#pragma once

#include <optional>
#include <string>

#include "server/store/records.h"
#include "shared/policy/documents.h"

namespace egress::server {

EgressEntry entry_of(const EgressDomain& document, const std::optional<EgressEntry>& stored, const std::string& actor,
                     UnixMillis now_ms);
// Whole: what the document does not say is reset.
NamespaceRecord record_of(const NamespaceDocument& document, const std::optional<NamespaceRecord>& stored,
                          UnixMillis now_ms);
DocumentRecord document_record(const DocumentHead& head, std::string source, std::int64_t first_line,
                               const std::optional<DocumentRecord>& stored, const std::string& actor,
                               UnixMillis now_ms);

}  // namespace egress::server
