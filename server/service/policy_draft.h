// A policy change in the making, over what a transaction sees: what each object that it touches was and shall be.
// Nothing is written before policy_commit.h checks and writes all of it at once, so that single calls, manifests,
// change-sets and rollbacks are one path and everything is checked on the final state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/service/manifest_state.h"
#include "server/service/refusal.h"
#include "server/service/stored_documents.h"
#include "server/store/store.h"

namespace egress::server {

template <typename Record>
struct DraftSlot {
  std::optional<Record> before;  // nullopt: is not there
  std::optional<Record> after;   // nullopt: shall not be there
};

// A document of a stored kind as it shall be.
struct DraftDocument {
  DocumentRecord record;
  Document on_its_own;                // lines are those of its own source
  std::optional<Document> in_stream;  // lines are those of the stream that brought it, if one did
  int number = 0;                     // of the document in that stream
  std::string stream;                 // which one, where a request holds several: "changes[3].manifest"
};

class PolicyDraft {
 public:
  using EgressKey = std::pair<Action, std::string>;  // action, pattern as text
  using DocumentSlot = std::pair<std::optional<DocumentRecord>, std::optional<DraftDocument>>;  // before, after

  // Both must outlive this. `documents` caches what is stored; nullptr: read when needed.
  explicit PolicyDraft(Reader& reader, StoredDocuments* documents = nullptr)
      : reader_(reader), cache_(documents != nullptr ? *documents : own_cache_) {}
  PolicyDraft(const PolicyDraft&) = delete;
  PolicyDraft& operator=(const PolicyDraft&) = delete;

  // As they shall be.
  std::optional<EgressEntry> find_egress_entry(Action action, const HostPattern& pattern);
  std::optional<NamespaceRecord> find_namespace(const std::string& path);
  std::optional<DocumentRecord> find_document(const DocumentKey& key);
  Mode mode() const;

  void put(EgressEntry entry);
  void put(NamespaceRecord record);
  void put(DraftDocument document);
  void set_mode(Mode mode);
  void remove_egress_entry(Action action, const HostPattern& pattern);
  void remove_namespace(const std::string& path);
  void remove_document(const DocumentKey& key);

  // The stored documents, read before anything of this draft is written: whoever puts or removes one calls this first.
  Result<void> load_documents();
  const std::vector<Document>& documents_before() const { return documents_->documents; }
  std::vector<Document> documents_after() const;  // in the stored order

  // Forgets what is as it was.
  void settle();
  bool is_empty() const { return egress_.empty() && namespaces_.empty() && documents_slots_.empty() && !mode_; }
  const std::map<EgressKey, DraftSlot<EgressEntry>>& egress() const { return egress_; }
  const std::map<std::string, DraftSlot<NamespaceRecord>>& namespaces() const { return namespaces_; }
  std::map<std::string, DraftSlot<NamespaceRecord>>& namespaces() { return namespaces_; }
  const std::map<DocumentKey, DocumentSlot>& documents() const { return documents_slots_; }
  const std::optional<std::pair<Mode, Mode>>& mode_change() const { return mode_; }  // before, after

 private:
  DraftSlot<EgressEntry>& egress_slot(Action action, const HostPattern& pattern);
  DraftSlot<NamespaceRecord>& namespace_slot(const std::string& path);
  DocumentSlot& document_slot(const DocumentKey& key);

  Reader& reader_;
  StoredDocuments own_cache_;
  StoredDocuments& cache_;
  std::shared_ptr<const DocumentSet> documents_;
  std::map<EgressKey, DraftSlot<EgressEntry>> egress_;
  std::map<std::string, DraftSlot<NamespaceRecord>> namespaces_;
  std::map<DocumentKey, DocumentSlot> documents_slots_;
  std::optional<std::pair<Mode, Mode>> mode_;
};

// Whether they say the same, whoever wrote them and when.
bool is_same_policy(const EgressEntry& a, const EgressEntry& b);
bool is_same_policy(const NamespaceRecord& a, const NamespaceRecord& b);

}  // namespace egress::server
