#include "server/service/draft_writes.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/egress_write.h"
#include "server/service/namespace_write.h"
#include "server/service/revision_text.h"
#include "shared/bundle/digest.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxAuditedSourceBytes = std::size_t{64} << 10;

AuditEvent document_event(const char* name, const DocumentRecord& record, const std::string& actor) {
  AuditEvent event;
  event.event = name;
  event.actor = actor;
  event.namespace_path = record.namespace_path.empty() ? std::string(kRootNamespace) : record.namespace_path;
  event.subject = cite(DocumentHead{record.kind, record.name, record.namespace_path});
  return event;
}

void audit_document(Writer& writer, const PolicyDraft::DocumentSlot& slot, bool forced, const std::string& actor,
                    UnixMillis now_ms) {
  const auto& [before, after] = slot;
  const DocumentRecord& record = after ? after->record : *before;
  Json detail = Json::object();
  detail["kind"] = record.kind;
  detail["namespace"] = record.namespace_path;
  detail["name"] = record.name;
  if (after) detail["result"] = before ? "changed" : "created";
  const auto bytes = std::as_bytes(std::span(record.source.data(), record.source.size()));
  detail["sha256"] = format_sha256(sha256(bytes));
  if (record.source.size() <= kMaxAuditedSourceBytes) detail["source"] = record.source;
  detail["forced"] = forced;
  append_audit(writer, now_ms, document_event(after ? "manifest_applied" : "manifest_removed", record, actor), detail);
}

void audit_mode(Writer& writer, Mode before, Mode after, const std::string& actor, UnixMillis now_ms) {
  AuditEvent event;
  event.event = "mode_changed";
  event.actor = actor;
  event.namespace_path = std::string(kRootNamespace);
  event.subject = "server";
  Json detail = Json::object();
  detail["mode"] = name_of(after);
  detail["previous"] = name_of(before);
  append_audit(writer, now_ms, event, detail);
}

}  // namespace

void write_draft(Writer& writer, PolicyDraft& draft, std::uint64_t revision) {
  for (const auto& [key, slot] : draft.egress()) {
    if (slot.after) {
      writer.put_egress_entry(*slot.after);
    } else {
      writer.remove_egress_entry(slot.before->action, slot.before->pattern);
      writer.forget_rule_use(kEgressLayer, rule_name(slot.before->action, slot.before->pattern));
    }
    writer.add_revision_change(change_of(revision, slot));
  }
  if (!draft.egress().empty()) writer.touch_egress(revision);
  for (auto& [path, slot] : draft.namespaces()) {
    if (slot.after) {
      slot.after->revision = revision;
      writer.put_namespace(*slot.after);
    } else {
      writer.remove_namespace(path);
    }
    writer.add_revision_change(change_of(revision, slot));
  }
  for (const auto& [key, slot] : draft.documents()) {
    if (slot.second) {
      DocumentRecord record = slot.second->record;
      record.revision = revision;
      writer.put_document(record);
    } else {
      const auto& [kind, namespace_path, name] = key;
      writer.remove_document(kind, namespace_path, name);
    }
    writer.add_revision_change(change_of(revision, slot));
  }
  if (!draft.documents().empty()) writer.touch_documents(revision);
  if (const auto& mode = draft.mode_change()) {
    writer.set_server_mode(mode->second);
    writer.add_revision_change(change_of(revision, *mode));
  }
}

void audit_draft(Writer& writer, const PolicyDraft& draft,
                 const std::map<std::string, std::vector<Uncovered>>& cascades, bool forced, const std::string& actor,
                 UnixMillis now_ms) {
  for (const auto& [key, slot] : draft.egress()) audit_egress_change(writer, slot, actor, now_ms);
  for (const auto& [path, slot] : draft.namespaces()) {
    const auto cascade = cascades.find(path);
    const std::vector<Uncovered> none;
    audit_namespace_change(writer, slot, cascade == cascades.end() ? none : cascade->second, forced, actor, now_ms);
  }
  for (const auto& [key, slot] : draft.documents()) audit_document(writer, slot, forced, actor, now_ms);
  if (const auto& mode = draft.mode_change()) audit_mode(writer, mode->first, mode->second, actor, now_ms);
}

}  // namespace egress::server
