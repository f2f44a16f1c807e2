// All policy as documents, page by page: what is stored as written, and Namespaces and EgressDomains written out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

struct ListedDocument {
  std::string kind;
  std::string namespace_path;  // empty: the kind lives in none
  std::string name;
  std::string source;
  std::optional<std::int64_t> line;  // of `source` in the stream that was applied
  std::optional<std::string> created_by;
  UnixMillis created_at_ms = 0;
  std::optional<UnixMillis> updated_at_ms;
  std::optional<std::uint64_t> revision;
  std::string key;  // where it stands in the order of the list
};

class ManifestListing {
 public:
  explicit ManifestListing(Store& store) : store_(store) {}

  struct Page {
    std::vector<ListedDocument> items;  // by kind, namespace, name
    std::optional<std::string> next_after;
  };
  // Past `after`, at most `limit`, and at most `max_bytes` of text unless a single document is larger. `filter.kind`
  // must be a kind; an empty namespace selects kinds that live in none. O(all that the filter selects).
  // Only what the principal may see: documents of its scope, of the scope's ancestors, and of no namespace.
  Result<Page> list(const Principal& principal, const DocumentFilter& filter, const std::string& after,
                    std::size_t limit, std::size_t max_bytes);

 private:
  Store& store_;
};

}  // namespace egress::server
