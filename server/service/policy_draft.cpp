#include "server/service/policy_draft.h"

#include <algorithm>
#include <cassert>

#include "server/service/server_mode.h"

namespace egress::server {
namespace {

template <typename Record>
bool is_unchanged(const DraftSlot<Record>& slot) {
  if (!slot.before || !slot.after) return !slot.before && !slot.after;
  return is_same_policy(*slot.before, *slot.after);
}

bool is_unchanged(const PolicyDraft::DocumentSlot& slot) {
  const auto& [before, after] = slot;
  if (!before || !after) return !before && !after;
  return before->source == after->record.source;
}

}  // namespace

bool is_same_policy(const EgressEntry& a, const EgressEntry& b) {
  return a.reason == b.reason && a.require_auth == b.require_auth && a.expires_at_ms == b.expires_at_ms;
}

bool is_same_policy(const NamespaceRecord& a, const NamespaceRecord& b) {
  return a.description == b.description && a.allowed == b.allowed && a.blocked == b.blocked && a.mode == b.mode &&
         a.loopback == b.loopback && a.lookups == b.lookups && a.default_action == b.default_action;
}

DraftSlot<EgressEntry>& PolicyDraft::egress_slot(Action action, const HostPattern& pattern) {
  const auto [found, added] = egress_.try_emplace({action, format_host_pattern(pattern)});
  if (added) found->second.before = found->second.after = reader_.find_egress_entry(action, pattern);
  return found->second;
}

DraftSlot<NamespaceRecord>& PolicyDraft::namespace_slot(const std::string& path) {
  const auto [found, added] = namespaces_.try_emplace(path);
  if (added) found->second.before = found->second.after = reader_.find_namespace(path);
  return found->second;
}

PolicyDraft::DocumentSlot& PolicyDraft::document_slot(const DocumentKey& key) {
  const auto [found, added] = documents_slots_.try_emplace(key);
  if (added) {
    const auto& [kind, namespace_path, name] = key;
    auto records = reader_.documents({kind, namespace_path, name});
    if (!records.empty()) found->second.first = std::move(records.front());
  }
  return found->second;
}

std::optional<EgressEntry> PolicyDraft::find_egress_entry(Action action, const HostPattern& pattern) {
  const auto found = egress_.find({action, format_host_pattern(pattern)});
  return found == egress_.end() ? reader_.find_egress_entry(action, pattern) : found->second.after;
}

std::optional<NamespaceRecord> PolicyDraft::find_namespace(const std::string& path) {
  const auto found = namespaces_.find(path);
  return found == namespaces_.end() ? reader_.find_namespace(path) : found->second.after;
}

std::optional<DocumentRecord> PolicyDraft::find_document(const DocumentKey& key) {
  const auto found = documents_slots_.find(key);
  if (found == documents_slots_.end()) {
    const auto& [kind, namespace_path, name] = key;
    auto records = reader_.documents({kind, namespace_path, name});
    if (records.empty()) return std::nullopt;
    return std::move(records.front());
  }
  if (!found->second.second) return std::nullopt;
  return found->second.second->record;
}

Mode PolicyDraft::mode() const { return mode_ ? mode_->second : reader_.server_mode().value_or(kInitialMode); }

void PolicyDraft::put(EgressEntry entry) {
  auto& slot = egress_slot(entry.action, entry.pattern);
  slot.after = std::move(entry);
}

void PolicyDraft::put(NamespaceRecord record) {
  auto& slot = namespace_slot(record.path);
  slot.after = std::move(record);
}

void PolicyDraft::put(DraftDocument document) {
  assert(documents_);
  const DocumentRecord& record = document.record;
  auto& slot = document_slot({record.kind, record.namespace_path, record.name});
  slot.second = std::move(document);
}

void PolicyDraft::set_mode(Mode mode) {
  if (!mode_) mode_.emplace(this->mode(), mode);
  mode_->second = mode;
}

void PolicyDraft::remove_egress_entry(Action action, const HostPattern& pattern) {
  egress_slot(action, pattern).after.reset();
}

void PolicyDraft::remove_namespace(const std::string& path) { namespace_slot(path).after.reset(); }

void PolicyDraft::remove_document(const DocumentKey& key) {
  assert(documents_);
  document_slot(key).second.reset();
}

Result<void> PolicyDraft::load_documents() {
  if (documents_) return {};
  auto stored = cache_.current(reader_);
  if (!stored) return tl::unexpected(Refusal(stored.error()));
  documents_ = *std::move(stored);
  return {};
}

std::vector<Document> PolicyDraft::documents_after() const {
  std::vector<Document> after;
  for (const Document& document : documents_->documents) {
    if (!documents_slots_.contains(key_of(head_of(document)))) after.push_back(document);
  }
  for (const auto& [key, slot] : documents_slots_) {
    if (slot.second) after.push_back(slot.second->on_its_own);
  }
  std::sort(after.begin(), after.end(),
            [](const Document& a, const Document& b) { return key_of(head_of(a)) < key_of(head_of(b)); });
  return after;
}

void PolicyDraft::settle() {
  std::erase_if(egress_, [](const auto& item) { return is_unchanged(item.second); });
  std::erase_if(namespaces_, [](const auto& item) { return is_unchanged(item.second); });
  std::erase_if(documents_slots_, [](const auto& item) { return is_unchanged(item.second); });
  if (mode_ && mode_->first == mode_->second) mode_.reset();
}

}  // namespace egress::server
