#include "server/service/policy_commit.h"

#include <algorithm>
#include <map>

#include "server/service/draft_references.h"
#include "server/service/draft_writes.h"
#include "server/service/manifest_refusals.h"
#include "server/service/namespace_write.h"
#include "server/service/policy_tests.h"
#include "server/service/write_scope.h"

namespace egress::server {
namespace {

using Cascades = std::map<std::string, std::vector<Uncovered>>;  // by the namespace whose write left them uncovered

Result<Cascades> check_narrowing_of_all(Reader& reader, const PolicyDraft& draft, UnixMillis now_ms) {
  Cascades cascades;
  for (const auto& [path, slot] : draft.namespaces()) {
    auto cascade = check_narrowing(reader, slot, now_ms);
    if (!cascade) return tl::unexpected(cascade.error());
    if (!cascade->empty()) cascades.emplace(path, *std::move(cascade));
  }
  return cascades;
}

// One item a child, by path.
std::vector<Uncovered> united(Cascades cascades) {
  if (cascades.size() == 1) return std::move(cascades.begin()->second);
  std::map<std::string, Uncovered> by_child;
  for (auto& [path, cascade] : cascades) {
    for (Uncovered& item : cascade) {
      const auto [found, added] = by_child.try_emplace(item.child);
      if (added) {
        found->second = std::move(item);
        continue;
      }
      std::vector<std::string>& domains = found->second.domains;
      for (std::string& domain : item.domains) {
        if (std::find(domains.begin(), domains.end(), domain) == domains.end()) domains.push_back(std::move(domain));
      }
    }
  }
  std::vector<Uncovered> all;
  for (auto& [child, item] : by_child) all.push_back(std::move(item));
  return all;
}

bool blocks_more(const NamespaceRecord& before, const NamespaceRecord& after) {
  return std::all_of(before.blocked.begin(), before.blocked.end(), [&](const DomainEntry& entry) {
    return std::find(after.blocked.begin(), after.blocked.end(), entry) != after.blocked.end();
  });
}

// Whether the draft only blocks and quarantines: what must never wait for a test.
bool only_cuts(const PolicyDraft& draft) {
  if (!draft.documents().empty() || draft.mode_change()) return false;
  for (const auto& [key, slot] : draft.egress()) {
    if (!slot.after || slot.after->action != Action::kDeny) return false;
    if (slot.before && slot.after->expires_at_ms && slot.before->expires_at_ms != slot.after->expires_at_ms) {
      return false;  // an earlier end opens
    }
  }
  for (const auto& [path, slot] : draft.namespaces()) {
    if (!slot.before || !slot.after || !blocks_more(*slot.before, *slot.after)) return false;
    const bool closed = slot.after->allowed && slot.after->allowed->empty();
    NamespaceRecord otherwise = *slot.after;
    otherwise.description = slot.before->description;
    otherwise.blocked = slot.before->blocked;
    if (closed) otherwise.allowed = slot.before->allowed;
    if (!is_same_policy(*slot.before, otherwise)) return false;
  }
  return true;
}

// The transaction's writes are seen.
Result<void> check_tests(Reader& reader, PolicyDraft& draft, UnixMillis now_ms) {
  if (auto loaded = draft.load_documents(); !loaded) return loaded;
  const std::vector<Document> documents = draft.documents_after();
  PolicyLinker linker(reader, documents);
  const auto failures = run_policy_tests(linker, documents, now_ms);
  if (!failures) return tl::unexpected(Refusal(failures.error()));
  if (!failures->empty()) return refuse_failed_tests(*failures);
  return {};
}

std::optional<std::string> subtree_of(const PolicyDraft& draft) {
  const bool one =
      draft.namespaces().size() == 1 && draft.egress().empty() && draft.documents().empty() && !draft.mode_change();
  if (!one) return std::nullopt;
  return draft.namespaces().begin()->first;
}

Result<void> check_namespaces(Reader& reader, const PolicyDraft& draft, const CommitOptions& options, UnixMillis now_ms,
                              Cascades& cascades, PolicyCommit& commit) {
  for (const auto& [path, slot] : draft.namespaces()) {
    if (slot.after || options.force) continue;
    if (auto unused = check_unused(reader, path, options.sessions); !unused) return unused;
  }
  auto found = check_narrowing_of_all(reader, draft, now_ms);
  if (!found) return tl::unexpected(found.error());
  if (!found->empty() && !options.force) return refuse_cascade(united(*std::move(found)));
  cascades = *std::move(found);
  for (const auto& [path, slot] : draft.namespaces()) {
    if (slot.after && slot.after->allowed && slot.after->allowed->empty()) commit.quarantined.push_back(path);
  }
  return {};
}

bool must_pass_tests(const PolicyDraft& draft, const CommitOptions& options) {
  if (options.force || options.tests == TestGate::kOpen) return false;
  return options.tests == TestGate::kClosed || !only_cuts(draft);
}

}  // namespace

Result<PolicyCommit> commit_draft(Writer& writer, PolicyDraft& draft, const CommitOptions& options, UnixMillis now_ms) {
  PolicyCommit commit;
  draft.settle();
  const bool tested = must_pass_tests(draft, options);
  if (draft.is_empty()) {
    writer.discard();
    if (tested) {
      if (auto passed = check_tests(writer, draft, now_ms); !passed) return tl::unexpected(passed.error());
    }
    return commit;
  }
  // Read before anything is written: what is not committed must not be remembered as stored.
  const bool touches_documents = !draft.documents().empty();
  if (tested || touches_documents) {
    if (auto loaded = draft.load_documents(); !loaded) return tl::unexpected(loaded.error());
  }
  const std::uint64_t revision = writer.bump_revision(now_ms, options.actor.name, options.summary);
  write_draft(writer, draft, revision);

  if (auto allowed = check_scope(writer, draft, options.actor, now_ms); !allowed) {
    return tl::unexpected(allowed.error());
  }
  if (touches_documents) {
    if (auto sound = check_references(draft); !sound) return tl::unexpected(sound.error());
  }
  Cascades cascades;
  if (auto sound = check_namespaces(writer, draft, options, now_ms, cascades, commit); !sound) {
    return tl::unexpected(sound.error());
  }
  if (tested) {
    if (auto passed = check_tests(writer, draft, now_ms); !passed) return tl::unexpected(passed.error());
  }
  audit_draft(writer, draft, cascades, options.force, options.actor.name, now_ms);
  commit.cascade_warnings = united(std::move(cascades));
  if (touches_documents && closes_root(draft.documents_before(), draft.documents_after())) {
    commit.restricts = writer.namespace_count();
  }
  commit.subtree = subtree_of(draft);
  commit.revision = revision;
  commit.in_force = !options.dry_run;
  if (options.dry_run) writer.discard();
  return commit;
}

void publish(PolicyObserver& observer, const PolicyCommit& commit) {
  if (commit.in_force) observer.policy_changed({commit.revision, commit.subtree});
}

}  // namespace egress::server
