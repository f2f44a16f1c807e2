// The stored policy documents, parsed: read once for each change of them, not once for each stack. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "server/store/store.h"
#include "shared/base/error.h"
#include "shared/policy/documents.h"

namespace egress::server {

struct DocumentSet {
  std::uint64_t revision = 0;  // of the newest change of any document
  std::vector<DocumentRecord> records;
  std::vector<Document> documents;  // parallel to `records`
};

class StoredDocuments {
 public:
  // What the transaction sees. Must not be called after the same transaction wrote documents: what is not committed
  // must not be remembered. kCorrupt if a stored document can no longer be read.
  Expected<std::shared_ptr<const DocumentSet>> current(Reader& reader);

 private:
  std::mutex mutex_;
  std::shared_ptr<const DocumentSet> newest_;
};

}  // namespace egress::server
