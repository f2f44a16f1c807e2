#include "server/service/manifest_writes.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/egress_write.h"
#include "shared/bundle/digest.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxAuditedSourceBytes = std::size_t{64} << 10;

bool is_same_policy(const NamespaceRecord& a, const NamespaceRecord& b) {
  return a.description == b.description && a.allowed == b.allowed && a.blocked == b.blocked && a.mode == b.mode &&
         a.loopback == b.loopback && a.lookups == b.lookups && a.default_action == b.default_action;
}

ApplyResult result_of(bool existed, bool same) {
  if (!existed) return ApplyResult::kCreated;
  return same ? ApplyResult::kUnchanged : ApplyResult::kChanged;
}

void audit_applied(Writer& writer, UnixMillis now_ms, const std::string& actor, const InputDocument& document,
                   ApplyResult result) {
  const DocumentHead& head = head_of(document.in_stream);
  AuditEvent event;
  event.event = "manifest_applied";
  event.actor = actor;
  event.namespace_path = head.namespace_path.empty() ? std::string(kRootNamespace) : head.namespace_path;
  event.subject = cite(head);
  Json detail = Json::object();
  detail["kind"] = head.kind;
  detail["namespace"] = head.namespace_path;
  detail["name"] = head.name;
  detail["result"] = name_of(result);
  if (is_stored_kind(document.in_stream)) {
    const auto bytes = std::as_bytes(std::span(document.source.data(), document.source.size()));
    detail["sha256"] = format_sha256(sha256(bytes));
    if (document.source.size() <= kMaxAuditedSourceBytes) detail["source"] = document.source;
  }
  append_audit(writer, now_ms, event, detail);
}

}  // namespace

ManifestWrites::ManifestWrites(Writer& writer, const std::vector<InputDocument>& input, UnixMillis now_ms,
                               std::string actor)
    : writer_(writer), input_(input), now_ms_(now_ms), actor_(std::move(actor)) {
  for (const InputDocument& document : input_) plan(document);
}

void ManifestWrites::plan(const InputDocument& document) {
  const DocumentHead& head = head_of(document.in_stream);
  AppliedDocument result{head.kind, head.namespace_path, head.name, ApplyResult::kUnchanged};
  if (const auto* space = std::get_if<NamespaceDocument>(&document.in_stream)) {
    plan_namespace(*space, result);
  } else if (const auto* domain = std::get_if<EgressDomain>(&document.in_stream)) {
    plan_domain(*domain, result);
  } else {
    plan_stored(document, result);
  }
  results_.push_back(std::move(result));
}

void ManifestWrites::plan_namespace(const NamespaceDocument& document, AppliedDocument& result) {
  NamespaceWrite write;
  write.previous = writer_.find_namespace(document.head.name);
  NamespaceRecord& record = write.record;
  record.path = document.head.name;
  record.description = document.description;
  record.allowed = document.allowed_domains;
  record.blocked = document.blocked_domains;
  record.mode = document.mode;
  record.loopback = document.loopback;
  record.lookups = document.lookups;
  record.default_action = document.default_action;
  record.created_at_ms = write.previous ? write.previous->created_at_ms : now_ms_;
  record.updated_at_ms = now_ms_;
  result.result = result_of(write.previous.has_value(), write.previous && is_same_policy(*write.previous, record));
  if (result.result != ApplyResult::kUnchanged) namespaces_.push_back(std::move(write));
}

// Whether the manifest says something of this domain's entry with the other action, too.
bool ManifestWrites::is_written_twice(const EgressEntry& entry) const {
  for (const InputDocument& other : input_) {
    const auto* domain = std::get_if<EgressDomain>(&other.in_stream);
    if (domain != nullptr && domain->action == entry.action && domain->pattern == entry.pattern) return true;
  }
  return false;
}

void ManifestWrites::plan_domain(const EgressDomain& document, AppliedDocument& result) {
  const auto stored = writer_.find_egress_entry(document.action, document.pattern);
  EgressEntry entry{document.action,        document.pattern, document.reason, document.require_auth,
                    document.expires_at_ms, actor_,           now_ms_};
  if (stored) {
    entry.created_by = stored->created_by;
    entry.created_at_ms = stored->created_at_ms;
  }
  const bool same = stored && stored->reason == entry.reason && stored->require_auth == entry.require_auth &&
                    stored->expires_at_ms == entry.expires_at_ms;
  const Action other = document.action == Action::kAllow ? Action::kDeny : Action::kAllow;
  auto opposite = writer_.find_egress_entry(other, document.pattern);
  if (opposite && is_written_twice(*opposite)) opposite.reset();
  result.result = result_of(stored || opposite, same && !opposite);
  if (!same) entries_.push_back(std::move(entry));
  if (opposite) displaced_.push_back(*std::move(opposite));
}

void ManifestWrites::plan_stored(const InputDocument& document, AppliedDocument& result) {
  DocumentRecord record;
  record.kind = result.kind;
  record.namespace_path = result.namespace_path;
  record.name = result.name;
  record.source = document.source;
  record.first_line = document.first_line;
  record.created_by = actor_;
  record.created_at_ms = record.updated_at_ms = now_ms_;
  const auto stored = writer_.documents({record.kind, record.namespace_path, record.name});
  result.result = result_of(!stored.empty(), !stored.empty() && stored.front().source == record.source);
  if (result.result != ApplyResult::kUnchanged) records_.push_back(std::move(record));
}

bool ManifestWrites::changes_anything() const {
  return !namespaces_.empty() || !entries_.empty() || !displaced_.empty() || !records_.empty();
}

void ManifestWrites::put_all(std::uint64_t revision) {
  for (NamespaceWrite& write : namespaces_) {
    write.record.revision = revision;
    writer_.put_namespace(write.record);
  }
  for (const EgressEntry& entry : displaced_) erase_egress_entry(writer_, entry, revision, actor_, now_ms_);
  for (const EgressEntry& entry : entries_) write_egress_entry(writer_, entry, revision, actor_, now_ms_);
  for (DocumentRecord& record : records_) {
    record.revision = revision;
    writer_.put_document(record);
  }
  if (!records_.empty()) writer_.touch_documents(revision);
  for (std::size_t i = 0; i < input_.size(); ++i) {
    if (results_[i].result == ApplyResult::kUnchanged) continue;
    audit_applied(writer_, now_ms_, actor_, input_[i], results_[i].result);
  }
}

}  // namespace egress::server
