#include "server/service/manifest_writes.h"

#include <map>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/document_kinds.h"
#include "server/service/document_records.h"
#include "server/service/egress_write.h"
#include "server/service/manifest_refusals.h"
#include "server/service/namespace_write.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

ApplyResult result_of(bool existed, bool same) {
  if (!existed) return ApplyResult::kCreated;
  return same ? ApplyResult::kUnchanged : ApplyResult::kChanged;
}

// The namespace over which a document is written: kinds that live in none concern the whole fleet, but for a Namespace.
std::string scope_of(const DocumentHead& head) {
  if (head.kind == kNamespaceKind) return head.name;
  return head.namespace_path.empty() ? std::string(kRootNamespace) : head.namespace_path;
}

// A document given twice in one stream is a mistake; over several streams the last one counts.
Result<void> check_unique(const std::vector<InputDocument>& input, const std::string& stream) {
  std::map<DocumentKey, int> first_lines;
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (!is_stored_kind(input[i].in_stream)) continue;  // the reader of the manifest has looked at the others
    const DocumentHead& head = head_of(input[i].in_stream);
    const auto [first, added] = first_lines.emplace(key_of(head), head.line);
    if (added) continue;
    const std::string path = (stream.empty() ? "" : stream + ": ") + "metadata.name";
    problems.push_back({static_cast<int>(i) + 1, head.line, 1, path,
                        cite(head) + " is given twice (first on line " + std::to_string(first->second) + ")",
                        "each document once"});
  }
  if (!problems.empty()) return refuse_manifest(problems);
  return {};
}

class ManifestPlan {
 public:
  ManifestPlan(PolicyDraft& draft, const ManifestInput& input, const std::string& stream, const Principal& actor,
               UnixMillis now_ms)
      : draft_(draft), input_(input.documents), stream_(stream), actor_(actor), now_ms_(now_ms) {}

  std::vector<AppliedDocument> run() {
    std::vector<AppliedDocument> results;
    for (std::size_t i = 0; i < input_.size(); ++i) {
      const DocumentHead& head = head_of(input_[i].in_stream);
      results.push_back({head.kind, head.namespace_path, head.name, add(input_[i], static_cast<int>(i) + 1)});
    }
    return results;
  }

 private:
  ApplyResult add(const InputDocument& document, int number) {
    if (const auto* space = std::get_if<NamespaceDocument>(&document.in_stream)) return add_namespace(*space);
    if (const auto* domain = std::get_if<EgressDomain>(&document.in_stream)) return add_domain(*domain);
    return add_stored(document, number);
  }

  ApplyResult add_namespace(const NamespaceDocument& document) {
    const auto stored = draft_.find_namespace(document.head.name);
    NamespaceRecord record = record_of(document, stored, now_ms_);
    const ApplyResult result = result_of(stored.has_value(), stored && is_same_policy(*stored, record));
    draft_.put(std::move(record));
    return result;
  }

  // Whether the manifest says something of this domain's entry with the other action, too.
  bool is_written_twice(const EgressEntry& entry) const {
    for (const InputDocument& other : input_) {
      const auto* domain = std::get_if<EgressDomain>(&other.in_stream);
      if (domain != nullptr && domain->action == entry.action && domain->pattern == entry.pattern) return true;
    }
    return false;
  }

  ApplyResult add_domain(const EgressDomain& document) {
    const auto stored = draft_.find_egress_entry(document.action, document.pattern);
    EgressEntry entry = entry_of(document, stored, actor_.name, now_ms_);
    const bool same = stored && is_same_policy(*stored, entry);
    const Action other = document.action == Action::kAllow ? Action::kDeny : Action::kAllow;
    auto opposite = draft_.find_egress_entry(other, document.pattern);
    if (opposite && is_written_twice(*opposite)) opposite.reset();
    draft_.put(std::move(entry));
    if (opposite) draft_.remove_egress_entry(other, document.pattern);
    return result_of(stored || opposite, same && !opposite);
  }

  ApplyResult add_stored(const InputDocument& document, int number) {
    const DocumentHead& head = head_of(document.in_stream);
    const auto stored = draft_.find_document(key_of(head));
    DraftDocument put;
    put.record = document_record(head, document.source, document.first_line, stored, actor_.name, now_ms_);
    put.on_its_own = document.on_its_own;
    put.in_stream = document.in_stream;
    put.number = number;
    put.stream = stream_;
    const bool same = stored && stored->source == document.source;
    draft_.put(std::move(put));
    return result_of(stored.has_value(), same);
  }

  PolicyDraft& draft_;
  const std::vector<InputDocument>& input_;
  const std::string& stream_;
  const Principal& actor_;
  const UnixMillis now_ms_;
};

Result<void> remove_domain(PolicyDraft& draft, const DocumentHead& head) {
  const auto parsed = parse_host_pattern(head.name);
  if (!parsed) return refuse_field("invalid_query", "name", parsed.error().message);
  bool found = false;
  for (const Action action : {Action::kAllow, Action::kDeny}) {
    if (!draft.find_egress_entry(action, parsed->pattern)) continue;
    draft.remove_egress_entry(action, parsed->pattern);
    found = true;
  }
  if (!found) return refuse_unknown_document(cite(head));
  return {};
}

bool is_kept(const std::string& kind) { return kind != kNamespaceKind && kind != kEgressDomainKind; }

AuditEvent audit_event(const char* name, const DocumentHead& head, const std::string& actor) {
  AuditEvent event;
  event.event = name;
  event.actor = actor;
  event.namespace_path = head.namespace_path.empty() ? std::string(kRootNamespace) : head.namespace_path;
  event.subject = cite(head);
  return event;
}

Json audit_detail(const DocumentHead& head) {
  Json detail = Json::object();
  detail["kind"] = head.kind;
  detail["namespace"] = head.namespace_path;
  detail["name"] = head.name;
  return detail;
}

}  // namespace

std::string_view name_of(ApplyResult result) {
  switch (result) {
    case ApplyResult::kCreated:
      return "created";
    case ApplyResult::kChanged:
      return "changed";
    case ApplyResult::kUnchanged:
      break;
  }
  return "unchanged";
}

Result<std::vector<AppliedDocument>> plan_manifest(PolicyDraft& draft, const ManifestInput& input,
                                                   const std::string& stream, const Principal& actor,
                                                   UnixMillis now_ms) {
  for (const InputDocument& document : input.documents) {
    auto allowed = require(actor, Role::kOperator, scope_of(head_of(document.in_stream)));
    if (!allowed) return tl::unexpected(allowed.error());
  }
  if (auto unique = check_unique(input.documents, stream); !unique) return tl::unexpected(unique.error());
  if (auto loaded = draft.load_documents(); !loaded) return tl::unexpected(loaded.error());
  return ManifestPlan(draft, input, stream, actor, now_ms).run();
}

Result<DocumentHead> plan_document_removal(PolicyDraft& draft, const DocumentRemoval& removal) {
  const auto kind = find_document_kind(removal.kind);
  if (!kind) {
    return refuse_field("unknown_kind", "kind", "kind \"" + removal.kind + "\" is not one of " + document_kinds());
  }
  if (kind->home.empty() && !removal.namespace_path.empty()) {
    return refuse_field("invalid_query", "namespace", removal.kind + " lives in no namespace");
  }
  DocumentHead head;
  head.kind = removal.kind;
  head.name = removal.name;
  head.namespace_path = removal.namespace_path.empty() ? std::string(kind->home) : removal.namespace_path;
  auto done = require(removal.actor, Role::kOperator, scope_of(head));
  if (done && head.kind == kNamespaceKind) {
    done = plan_namespace_removal(draft, head.name, removal.actor);
  } else if (done && head.kind == kEgressDomainKind) {
    done = remove_domain(draft, head);
  } else if (done) {
    done = draft.load_documents();
    if (done && !draft.find_document(key_of(head))) done = refuse_unknown_document(cite(head));
    if (done) draft.remove_document(key_of(head));
  }
  if (!done) return tl::unexpected(done.error());
  return head;
}

void audit_applied(Writer& writer, const AppliedDocument& document, const std::string& actor, UnixMillis now_ms) {
  if (is_kept(document.kind) || document.result == ApplyResult::kUnchanged) return;
  const DocumentHead head{document.kind, document.name, document.namespace_path};
  Json detail = audit_detail(head);
  detail["result"] = name_of(document.result);
  append_audit(writer, now_ms, audit_event("manifest_applied", head, actor), detail);
}

void audit_removed(Writer& writer, const DocumentHead& head, bool forced, const std::string& actor, UnixMillis now_ms) {
  if (is_kept(head.kind)) return;
  Json detail = audit_detail(head);
  detail["forced"] = forced;
  append_audit(writer, now_ms, audit_event("manifest_removed", head, actor), detail);
}

}  // namespace egress::server
