#include "server/service/manifests.h"

#include "server/service/manifest_refusals.h"
#include "server/service/policy_commit.h"

namespace egress::server {

std::vector<Problem> find_doubts(Reader& reader, const std::vector<InputDocument>& input, UnixMillis now_ms) {
  std::vector<Problem> warnings;
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
  return warnings;
}

Result<ManifestResult> Manifests::apply(const ManifestPut& put) {
  const UnixMillis now_ms = clock_.now_ms();
  const ManifestInput input = read_manifest_input(put.text, put.default_namespace);
  if (!input.problems.empty()) return refuse_manifest(input.problems);
  CommitOptions options{put.actor, "manifest of " + std::to_string(input.documents.size()) + " documents", put.force,
                        put.dry_run, TestGate::kClosed};
  options.sessions = sessions_;
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<ManifestResult> {
    PolicyDraft draft(writer, &documents_);
    auto applied = plan_manifest(draft, input, {}, put.actor, now_ms);
    if (!applied) return tl::unexpected(applied.error());
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    ManifestResult done;
    done.applied = *std::move(applied);
    for (const AppliedDocument& document : done.applied) audit_applied(writer, document, put.actor.name, now_ms);
    done.warnings = input.warnings;
    for (Problem& doubt : find_doubts(writer, input.documents, now_ms)) done.warnings.push_back(std::move(doubt));
    done.cascade_warnings = commit.cascade_warnings;
    done.restricts = commit.restricts;
    return done;
  });
  if (result) publish(observer_, commit);
  return result;
}

Result<std::string> Manifests::remove(const DocumentRemoval& removal) {
  const UnixMillis now_ms = clock_.now_ms();
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<std::string> {
    PolicyDraft draft(writer, &documents_);
    const auto removed = plan_document_removal(draft, removal);
    if (!removed) return tl::unexpected(removed.error());
    CommitOptions options{removal.actor, "remove " + cite(*removed), removal.force, removal.dry_run, TestGate::kClosed};
    options.sessions = sessions_;
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    audit_removed(writer, *removed, removal.force, removal.actor.name, now_ms);
    return cite(*removed);
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
