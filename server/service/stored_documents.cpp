#include "server/service/stored_documents.h"

#include "server/service/document_source.h"

namespace egress::server {

Expected<std::shared_ptr<const DocumentSet>> StoredDocuments::current(Reader& reader) {
  const std::uint64_t revision = reader.documents_revision();
  {
    const std::lock_guard lock(mutex_);
    if (newest_ && newest_->revision == revision) return newest_;
  }
  auto set = std::make_shared<DocumentSet>();
  set->revision = revision;
  set->records = reader.documents({});
  for (const DocumentRecord& record : set->records) {
    auto document = parse_source(record.source);
    if (!document) {
      return fail(ErrorCode::kCorrupt, "the stored " + cite({record.kind, record.name, record.namespace_path}) +
                                           " can no longer be read: " + document.error().message);
    }
    set->documents.push_back(*std::move(document));
  }
  const std::lock_guard lock(mutex_);
  // A reader of an older snapshot may come last; it must not undo what a newer one remembered.
  if (!newest_ || newest_->revision < revision) newest_ = set;
  return std::shared_ptr<const DocumentSet>(std::move(set));
}

}  // namespace egress::server
