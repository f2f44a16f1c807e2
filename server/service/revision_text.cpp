#include "server/service/revision_text.h"

#include "server/service/document_records.h"
#include "server/service/document_source.h"
#include "server/service/document_text.h"
#include "server/service/egress_write.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::string_view kModeField = "mode: ";

RevisionChange make_change(std::uint64_t revision, std::string_view kind, std::string subject) {
  RevisionChange change;
  change.revision = revision;
  change.kind = kind;
  change.subject = std::move(subject);
  return change;
}

template <typename Record>
const Record& either(const DraftSlot<Record>& slot) {
  return slot.after ? *slot.after : *slot.before;
}

std::string mode_text(Mode mode) { return std::string(kModeField) + std::string(name_of(mode)) + "\n"; }

Error unreadable(const RevisionChange& change, const std::string& why) {
  return {ErrorCode::kCorrupt, "revision " + std::to_string(change.revision) + " keeps " + change.kind + " " +
                                   change.subject + " in a form that can no longer be read: " + why};
}

// The object on either side of the change: both have the same identity.
Expected<Document> parse_either(const RevisionChange& change) {
  const auto& text = change.before ? change.before : change.after;
  if (!text) return tl::unexpected(unreadable(change, "it has neither a before nor an after"));
  auto document = parse_source(*text);
  if (!document) return tl::unexpected(unreadable(change, document.error().message));
  return document;
}

template <typename Wanted>
Expected<Wanted> parse_as(const RevisionChange& change) {
  auto document = parse_either(change);
  if (!document) return tl::unexpected(document.error());
  if (auto* wanted = std::get_if<Wanted>(&*document)) return std::move(*wanted);
  return tl::unexpected(unreadable(change, "it is a " + head_of(*document).kind));
}

Expected<void> undo_egress(PolicyDraft& draft, const RevisionChange& change, const std::string& actor,
                           UnixMillis now_ms) {
  const auto domain = parse_as<EgressDomain>(change);
  if (!domain) return tl::unexpected(domain.error());
  if (!change.before) {
    draft.remove_egress_entry(domain->action, domain->pattern);
    return {};
  }
  const auto stored = draft.find_egress_entry(domain->action, domain->pattern);
  draft.put(entry_of(*domain, stored, actor, now_ms));
  return {};
}

Expected<void> undo_namespace(PolicyDraft& draft, const RevisionChange& change, UnixMillis now_ms) {
  if (!change.before) {
    draft.remove_namespace(change.subject);
    return {};
  }
  const auto document = parse_as<NamespaceDocument>(change);
  if (!document) return tl::unexpected(document.error());
  draft.put(record_of(*document, draft.find_namespace(change.subject), now_ms));
  return {};
}

Expected<void> undo_document(PolicyDraft& draft, const RevisionChange& change, const std::string& actor,
                             UnixMillis now_ms) {
  auto document = parse_either(change);
  if (!document) return tl::unexpected(document.error());
  const DocumentKey key = key_of(head_of(*document));
  if (!change.before) {
    draft.remove_document(key);
    return {};
  }
  DraftDocument restored;
  restored.record = document_record(head_of(*document), *change.before, 1, draft.find_document(key), actor, now_ms);
  restored.on_its_own = *std::move(document);
  draft.put(std::move(restored));
  return {};
}

Expected<void> undo_mode(PolicyDraft& draft, const RevisionChange& change) {
  std::string_view text = change.before ? std::string_view(*change.before) : std::string_view();
  const bool has_form = text.starts_with(kModeField) && text.ends_with('\n');
  if (has_form) text = text.substr(kModeField.size(), text.size() - kModeField.size() - 1);
  const auto mode = has_form ? find_mode(text) : std::nullopt;
  if (!mode) return tl::unexpected(unreadable(change, "expected \"mode: \" and a mode"));
  draft.set_mode(*mode);
  return {};
}

}  // namespace

RevisionChange change_of(std::uint64_t revision, const DraftSlot<EgressEntry>& slot) {
  const EgressEntry& entry = either(slot);
  RevisionChange change = make_change(revision, kEgressChange, rule_name(entry.action, entry.pattern));
  if (slot.before) change.before = render_domain_document(*slot.before);
  if (slot.after) change.after = render_domain_document(*slot.after);
  return change;
}

RevisionChange change_of(std::uint64_t revision, const DraftSlot<NamespaceRecord>& slot) {
  RevisionChange change = make_change(revision, kNamespaceChange, either(slot).path);
  if (slot.before) change.before = render_namespace_document(*slot.before);
  if (slot.after) change.after = render_namespace_document(*slot.after);
  return change;
}

RevisionChange change_of(std::uint64_t revision, const PolicyDraft::DocumentSlot& slot) {
  const auto& [before, after] = slot;
  const DocumentRecord& record = after ? after->record : *before;
  RevisionChange change =
      make_change(revision, kDocumentChange, cite(DocumentHead{record.kind, record.name, record.namespace_path}));
  if (before) change.before = before->source;
  if (after) change.after = after->record.source;
  return change;
}

RevisionChange change_of(std::uint64_t revision, const std::pair<Mode, Mode>& mode) {
  RevisionChange change = make_change(revision, kModeChange, "server");
  change.before = mode_text(mode.first);
  change.after = mode_text(mode.second);
  return change;
}

Expected<void> undo(PolicyDraft& draft, const RevisionChange& change, const std::string& actor, UnixMillis now_ms) {
  if (change.kind == kEgressChange) return undo_egress(draft, change, actor, now_ms);
  if (change.kind == kNamespaceChange) return undo_namespace(draft, change, now_ms);
  if (change.kind == kDocumentChange) return undo_document(draft, change, actor, now_ms);
  if (change.kind == kModeChange) return undo_mode(draft, change);
  return tl::unexpected(unreadable(change, "its kind is not known"));
}

Expected<std::string> namespace_of(const RevisionChange& change) {
  if (change.kind == kNamespaceChange) return change.subject;
  if (change.kind != kDocumentChange) return std::string(kRootNamespace);
  const auto document = parse_either(change);
  if (!document) return tl::unexpected(document.error());
  const std::string& path = head_of(*document).namespace_path;
  return path.empty() ? std::string(kRootNamespace) : path;
}

}  // namespace egress::server
