#include "server/service/manifests.h"

#include <map>
#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/document_kinds.h"
#include "server/service/egress_write.h"
#include "server/service/manifest_refusals.h"
#include "server/service/manifest_state.h"
#include "server/service/manifest_writes.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

// Everything about `documents` that PolicyTests refuse; the transaction's writes are seen.
Result<void> check_tests(Reader& reader, const std::vector<Document>& documents, UnixMillis now_ms) {
  PolicyLinker linker(reader, documents);
  const auto failures = run_policy_tests(linker, documents, now_ms);
  if (!failures) return tl::unexpected(Refusal(failures.error()));
  if (!failures->empty()) return refuse_failed_tests(*failures);
  return {};
}

// What all namespaces of a manifest leave uncovered, one item a child.
Result<std::vector<Uncovered>> check_namespaces(Reader& reader, const std::vector<NamespaceWrite>& writes, bool force,
                                                UnixMillis now_ms) {
  std::map<std::string, Uncovered> by_child;
  for (const NamespaceWrite& write : writes) {
    auto cascade = check_narrowing(reader, write, now_ms);
    if (!cascade) return tl::unexpected(cascade.error());
    for (Uncovered& item : *cascade) {
      const auto [found, added] = by_child.emplace(item.child, item);
      if (added) continue;
      std::vector<std::string>& domains = found->second.domains;
      for (std::string& domain : item.domains) {
        if (std::find(domains.begin(), domains.end(), domain) == domains.end()) domains.push_back(std::move(domain));
      }
    }
  }
  std::vector<Uncovered> all;
  for (auto& [child, item] : by_child) all.push_back(std::move(item));
  if (!all.empty() && !force) return refuse_cascade(all);
  return all;
}

// What is accepted but probably not meant.
void add_warnings(Reader& reader, const std::vector<InputDocument>& input, UnixMillis now_ms,
                  std::vector<Problem>& warnings) {
  for (std::size_t i = 0; i < input.size(); ++i) {
    const DocumentHead& head = head_of(input[i].in_stream);
    const auto warn = [&](const char* path, std::string message) {
      warnings.push_back({static_cast<int>(i) + 1, head.line, 1, path, std::move(message), {}});
    };
    if (!head.namespace_path.empty() && !reader.find_namespace(head.namespace_path)) {
      warn("metadata.namespace", "namespace " + head.namespace_path + " does not exist");
    }
    const auto* domain = std::get_if<EgressDomain>(&input[i].in_stream);
    if (domain != nullptr && domain->expires_at_ms && *domain->expires_at_ms <= now_ms) {
      warn("spec.expires_at", "is in the past: the entry has no effect");
    }
  }
}

void audit_removed(Writer& writer, const DocumentRemoval& removal, const DocumentHead& head, const std::string& source,
                   UnixMillis now_ms) {
  AuditEvent event;
  event.event = "manifest_removed";
  event.actor = removal.actor.name;
  event.namespace_path = head.namespace_path.empty() ? std::string(kRootNamespace) : head.namespace_path;
  event.subject = cite(head);
  Json detail = Json::object();
  detail["kind"] = head.kind;
  detail["namespace"] = head.namespace_path;
  detail["name"] = head.name;
  if (!source.empty()) detail["source"] = source;
  detail["forced"] = removal.force;
  append_audit(writer, now_ms, event, detail);
}

Result<void> erase_domain(Writer& writer, const DocumentHead& head, std::uint64_t revision, const std::string& actor,
                          UnixMillis now_ms) {
  const auto parsed = parse_host_pattern(head.name);
  if (!parsed) return refuse_field("invalid_query", "name", parsed.error().message);
  bool found = false;
  for (const Action action : {Action::kAllow, Action::kDeny}) {
    const auto stored = writer.find_egress_entry(action, parsed->pattern);
    if (!stored) continue;
    erase_egress_entry(writer, *stored, revision, actor, now_ms);
    found = true;
  }
  if (!found) return refuse_unknown_document(cite(head));
  return {};
}

// Removes a document of a stored kind from `remaining` and from the store; answers with its source.
Result<std::string> erase_stored(Writer& writer, const DocumentSet& stored, const DocumentHead& head,
                                 std::uint64_t revision, std::vector<Document>& remaining) {
  auto records = writer.documents({head.kind, head.namespace_path, head.name});
  if (records.empty()) return refuse_unknown_document(cite(head));
  remaining = without_document(stored, key_of(head));
  const auto dangling = find_dangling(remaining);
  if (!dangling.empty()) return refuse_document_in_use(cite(head), dangling);
  writer.remove_document(head.kind, head.namespace_path, head.name);
  writer.touch_documents(revision);
  return std::move(records.front().source);
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

Result<ManifestResult> Manifests::apply(const ManifestPut& put) {
  const UnixMillis now_ms = clock_.now_ms();
  ManifestInput input = read_manifest_input(put.text, put.default_namespace);
  if (!input.problems.empty()) return refuse_manifest(input.problems);
  std::uint64_t revision = 0;
  bool changed = false;
  auto result = store_.write([&](Writer& writer) -> Result<ManifestResult> {
    const auto stored = documents_.current(writer);
    if (!stored) return tl::unexpected(Refusal(stored.error()));
    const auto problems = find_merged_reference_problems(**stored, input.documents);
    if (!problems.empty()) return refuse_manifest(problems);
    const std::vector<Document> merged = merge_documents(**stored, input.documents);

    ManifestWrites writes(writer, input.documents, now_ms, put.actor.name);
    changed = writes.changes_anything();
    if (changed) {
      revision = writer.bump_revision(now_ms, put.actor.name,
                                      "manifest of " + std::to_string(input.documents.size()) + " documents");
      writes.put_all(revision);
    }
    ManifestResult done;
    auto cascade = check_namespaces(writer, writes.namespaces(), put.force, now_ms);
    if (!cascade) return tl::unexpected(cascade.error());
    done.cascade_warnings = *std::move(cascade);
    for (const NamespaceWrite& write : writes.namespaces()) {
      audit_namespace_write(writer, write, done.cascade_warnings, put.force, put.actor.name, now_ms);
    }
    if (!put.force) {
      if (auto passed = check_tests(writer, merged, now_ms); !passed) return tl::unexpected(passed.error());
    }
    done.applied = writes.results();
    done.warnings = input.warnings;
    add_warnings(writer, input.documents, now_ms, done.warnings);
    if (closes_root((*stored)->documents, merged)) done.restricts = writer.namespace_count();
    if (put.dry_run || !changed) writer.discard();
    return done;
  });
  if (result && changed && !put.dry_run) observer_.policy_changed({revision, std::nullopt});
  return result;
}

Result<std::string> Manifests::remove(const DocumentRemoval& removal) {
  const UnixMillis now_ms = clock_.now_ms();
  const auto kind = find_document_kind(removal.kind);
  if (!kind)
    return refuse_field("unknown_kind", "kind", "kind \"" + removal.kind + "\" is not one of " + document_kinds());
  DocumentHead head;
  head.kind = removal.kind;
  head.name = removal.name;
  head.namespace_path = removal.namespace_path.empty() ? std::string(kind->home) : removal.namespace_path;
  if (kind->home.empty() && !removal.namespace_path.empty()) {
    return refuse_field("invalid_query", "namespace", head.kind + " lives in no namespace");
  }
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<std::string> {
    const auto stored = documents_.current(writer);
    if (!stored) return tl::unexpected(Refusal(stored.error()));
    std::vector<Document> remaining = (*stored)->documents;
    revision = writer.bump_revision(now_ms, removal.actor.name, "remove " + cite(head));
    std::string source;
    if (head.kind == kNamespaceKind) {
      auto erased = erase_namespace(writer, head.name, removal.force, removal.actor.name, now_ms);
      if (!erased) return tl::unexpected(erased.error());
    } else if (head.kind == kEgressDomainKind) {
      auto erased = erase_domain(writer, head, revision, removal.actor.name, now_ms);
      if (!erased) return tl::unexpected(erased.error());
    } else {
      auto erased = erase_stored(writer, **stored, head, revision, remaining);
      if (!erased) return tl::unexpected(erased.error());
      source = *std::move(erased);
    }
    if (!removal.force) {
      if (auto passed = check_tests(writer, remaining, now_ms); !passed) return tl::unexpected(passed.error());
    }
    audit_removed(writer, removal, head, source, now_ms);
    if (removal.dry_run) writer.discard();
    return cite(head);
  });
  if (result && !removal.dry_run) observer_.policy_changed({revision, std::nullopt});
  return result;
}

}  // namespace egress::server
