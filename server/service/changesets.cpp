#include "server/service/changesets.h"

#include <nlohmann/json.hpp>

#include "server/service/manifest_refusals.h"
#include "server/service/manifests.h"
#include "server/service/policy_commit.h"
#include "server/service/server_mode.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

std::string path_of(std::size_t index) { return "changes[" + std::to_string(index) + "]"; }

const char* result_of(bool existed, bool same) { return !existed ? "created" : same ? "unchanged" : "changed"; }

// Puts operations into the draft, one by one; what they did is what each found and left.
class Planner {
 public:
  Planner(Writer& writer, PolicyDraft& draft, const Changeset& changeset, UnixMillis now_ms)
      : writer_(writer), draft_(draft), actor_(changeset.actor), now_ms_(now_ms) {}

  Result<OperationResult> plan(const Operation& operation, std::size_t index) {
    index_ = index;
    return std::visit([this](const auto& what) { return plan(what); }, operation);
  }

  // Rows and warnings that need the draft written.
  void finish(bool forced, std::vector<OperationResult>& results, ChangesetResult& done) {
    for (const OperationResult& result : results) {
      for (const AppliedDocument& document : result.applied) audit_applied(writer_, document, actor_.name, now_ms_);
    }
    for (const DocumentHead& head : removed_) audit_removed(writer_, head, forced, actor_.name, now_ms_);
    for (const auto& [index, input] : inputs_) {
      for (const Problem& warning : input.warnings) done.warnings.emplace_back(index, warning);
      for (Problem& doubt : find_doubts(writer_, input.documents, now_ms_)) {
        done.warnings.emplace_back(index, std::move(doubt));
      }
    }
  }

 private:
  Result<OperationResult> plan(const EgressPut& operation) {
    EgressPut put = operation;
    put.actor = actor_;
    const auto before = draft_.find_egress_entry(put.action, put.pattern);
    const auto created = plan_egress_put(draft_, put, now_ms_);
    if (!created) return tl::unexpected(created.error());
    const auto after = draft_.find_egress_entry(put.action, put.pattern);
    const bool same = before && after && is_same_policy(*before, *after);
    return OperationResult{put.action == Action::kAllow ? "allow" : "block",
                           format_host_pattern(put.pattern),
                           result_of(before.has_value(), same),
                           {}};
  }

  Result<OperationResult> plan(const EgressRemoval& removal) {
    const auto removed = plan_egress_removal(draft_, removal.action, removal.pattern, actor_);
    if (!removed) return tl::unexpected(removed.error());
    return OperationResult{removal.action == Action::kAllow ? "remove_allow" : "remove_block",
                           format_host_pattern(removal.pattern),
                           "removed",
                           {}};
  }

  Result<OperationResult> plan(const NamespacePut& operation) {
    NamespacePut put = operation;
    put.actor = actor_;
    const auto before = draft_.find_namespace(put.path);
    const auto created = plan_namespace_put(draft_, put, now_ms_);
    if (!created) return tl::unexpected(created.error());
    const auto after = draft_.find_namespace(put.path);
    const bool same = before && after && is_same_policy(*before, *after);
    return OperationResult{"namespace", put.path, result_of(before.has_value(), same), {}};
  }

  Result<OperationResult> plan(const NamespaceRemoval& removal) {
    if (auto done = plan_namespace_removal(draft_, removal.path, actor_); !done) return tl::unexpected(done.error());
    return OperationResult{"remove_namespace", removal.path, "removed", {}};
  }

  Result<OperationResult> plan(const Mode& mode) {
    const auto changes = plan_mode(draft_, mode, actor_);
    if (!changes) return tl::unexpected(changes.error());
    return OperationResult{"mode", std::string(name_of(mode)), result_of(true, !*changes), {}};
  }

  Result<OperationResult> plan(const ManifestText& manifest) {
    ManifestInput input = read_manifest_input(manifest.text, manifest.default_namespace);
    const std::string stream = path_of(index_) + ".manifest";
    if (!input.problems.empty()) {
      for (Problem& problem : input.problems) problem.path = stream + ": " + problem.path;
      return refuse_manifest(input.problems);
    }
    auto applied = plan_manifest(draft_, input, stream, actor_, now_ms_);
    if (!applied) return tl::unexpected(applied.error());
    bool changes = false;
    for (const AppliedDocument& document : *applied) changes |= document.result != ApplyResult::kUnchanged;
    inputs_.emplace_back(index_, std::move(input));
    return OperationResult{"manifest", {}, result_of(true, !changes), *std::move(applied)};
  }

  Result<OperationResult> plan(const DocumentRemoval& operation) {
    DocumentRemoval removal = operation;
    removal.actor = actor_;
    const auto removed = plan_document_removal(draft_, removal);
    if (!removed) return tl::unexpected(removed.error());
    removed_.push_back(*removed);
    return OperationResult{"remove_document", cite(*removed), "removed", {}};
  }

  Writer& writer_;
  PolicyDraft& draft_;
  const Principal& actor_;
  const UnixMillis now_ms_;
  std::size_t index_ = 0;
  std::vector<std::pair<std::size_t, ManifestInput>> inputs_;
  std::vector<DocumentHead> removed_;
};

std::string summary_of(const Changeset& changeset) {
  const std::string count = "change-set of " + std::to_string(changeset.operations.size()) + " changes";
  return changeset.description.empty() ? count : count + ": " + changeset.description;
}

}  // namespace

Refusal in_operation(Refusal refusal, std::size_t index) {
  Json fields = Json::object();
  fields["change"] = index;
  std::string place = path_of(index);
  if (refusal.fields) {
    for (const auto& item : refusal.fields->items()) {
      const bool is_place = item.key() == "field" && item.value().is_string();
      if (is_place) place += "." + item.value().get<std::string>();
      fields[item.key()] = is_place ? Json(place) : item.value();
    }
  }
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  if (refusal.code == "invalid_query") refusal.code = "invalid_field";  // the single call's parameter is a field here
  if (refusal.message.find(path_of(index)) == std::string::npos) {
    refusal.message = place + ": " + refusal.message;
  }
  return refusal;
}

Result<ChangesetResult> Changesets::apply(const Changeset& changeset) {
  const UnixMillis now_ms = clock_.now_ms();
  CommitOptions options{changeset.actor, summary_of(changeset), changeset.force, changeset.dry_run,
                        TestGate::kUnlessCutting};
  options.sessions = sessions_;
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<ChangesetResult> {
    PolicyDraft draft(writer, &documents_);
    Planner planner(writer, draft, changeset, now_ms);
    ChangesetResult done;
    for (std::size_t i = 0; i < changeset.operations.size(); ++i) {
      auto planned = planner.plan(changeset.operations[i], i);
      if (!planned) return tl::unexpected(in_operation(std::move(planned.error()), i));
      done.results.push_back(*std::move(planned));
    }
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    if (commit.revision != 0) planner.finish(changeset.force, done.results, done);
    done.revision = commit.revision;
    done.cascade_warnings = commit.cascade_warnings;
    done.restricts = commit.restricts;
    if (!commit.quarantined.empty() && sessions_ != nullptr) {
      done.live_sessions = 0;
      for (const std::string& path : commit.quarantined) *done.live_sessions += sessions_->sessions_below(path);
    }
    return done;
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
