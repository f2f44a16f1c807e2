#include "server/service/revisions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "server/service/audit_chain.h"
#include "server/service/egress_write.h"
#include "server/service/policy_commit.h"
#include "server/service/revision_text.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::uint64_t kRevisionsAtOnce = 64;  // whose changes are in memory together

tl::unexpected<Refusal> refuse_unknown_revision(std::uint64_t number) {
  return refuse(ErrorCode::kNotFound, "revision_unknown",
                "there is no revision " + std::to_string(number) + ": GET /api/revisions lists those that are kept");
}

// Takes out of `changes` what the reader may not see; answers how many those were.
Expected<std::size_t> hide(const Principal& reader, std::vector<RevisionChange>& changes) {
  if (may(reader, Role::kViewer, kRootNamespace)) return std::size_t{0};
  std::vector<RevisionChange> visible;
  for (RevisionChange& change : changes) {
    const auto path = namespace_of(change);
    if (!path) return tl::unexpected(path.error());
    if (may(reader, Role::kViewer, *path)) visible.push_back(std::move(change));
  }
  const std::size_t hidden = changes.size() - visible.size();
  changes = std::move(visible);
  return hidden;
}

Expected<void> restrict_page(Reader& reader, const Principal& principal, std::vector<RevisionRecord>& records) {
  std::vector<RevisionRecord> shown;
  for (RevisionRecord& record : records) {
    auto changes = reader.revision_changes(record.number, record.number);
    const auto hidden = hide(principal, changes);
    if (!hidden) return tl::unexpected(hidden.error());
    if (changes.empty()) continue;
    if (*hidden > 0) record.summary.clear();
    record.changes = changes.size();
    shown.push_back(std::move(record));
  }
  records = std::move(shown);
  return {};
}

// Puts into the draft what every object that changed after `number` was at it: the oldest such change knows.
Result<void> plan_way_back(Reader& reader, PolicyDraft& draft, std::uint64_t number, const std::string& actor,
                           UnixMillis now_ms) {
  const std::uint64_t newest = reader.revision();
  std::set<std::pair<std::string, std::string>> seen;
  for (std::uint64_t first = number + 1; first <= newest; first += kRevisionsAtOnce) {
    const std::uint64_t last = std::min(newest, first + kRevisionsAtOnce - 1);
    for (const RevisionChange& change : reader.revision_changes(first, last)) {
      if (!seen.emplace(change.kind, change.subject).second) continue;
      if (auto done = undo(draft, change, actor, now_ms); !done) return tl::unexpected(Refusal(done.error()));
    }
  }
  return {};
}

void warn_if_expired(const std::string& what, const std::optional<UnixMillis>& expires_at_ms, UnixMillis now_ms,
                     std::vector<std::string>& warnings) {
  if (!expires_at_ms || *expires_at_ms > now_ms) return;
  warnings.push_back(what + " ended at " + format_time(*expires_at_ms) + ": it comes back without effect");
}

std::vector<std::string> find_expired(const PolicyDraft& draft, UnixMillis now_ms) {
  std::vector<std::string> warnings;
  for (const auto& [key, slot] : draft.egress()) {
    if (slot.after) {
      warn_if_expired(rule_name(slot.after->action, slot.after->pattern), slot.after->expires_at_ms, now_ms, warnings);
    }
  }
  for (const auto& [path, slot] : draft.namespaces()) {
    if (!slot.after) continue;
    const AllowList had = slot.before ? slot.before->allowed : AllowList();
    for (const DomainEntry& entry : slot.after->allowed.value_or(std::vector<DomainEntry>())) {
      if (had && std::find(had->begin(), had->end(), entry) != had->end()) continue;
      warn_if_expired(format_host_pattern(entry.pattern) + " of namespace " + path, entry.expires_at_ms, now_ms,
                      warnings);
    }
  }
  return warnings;
}

void audit_rollback(Writer& writer, const Rollback& rollback, std::uint64_t revision, std::size_t changes,
                    UnixMillis now_ms) {
  AuditEvent event;
  event.event = "revision_rolled_back";
  event.actor = rollback.actor.name;
  event.namespace_path = std::string(kRootNamespace);
  event.subject = std::to_string(rollback.number);
  nlohmann::ordered_json detail = nlohmann::ordered_json::object();
  detail["to"] = rollback.number;
  detail["revision"] = revision;
  detail["changes"] = changes;
  detail["reason"] = rollback.reason;
  detail["forced"] = rollback.force;
  append_audit(writer, now_ms, event, detail);
}

}  // namespace

Result<Revisions::Page> Revisions::list(const Principal& reader_of, std::optional<std::uint64_t> before,
                                        std::size_t limit) {
  auto page = store_.read([&](Reader& reader) -> Expected<Page> {
    auto records = reader.revisions(before, limit);
    Page result;
    if (records.more) result.next_before = records.rows.back().number;
    if (!may(reader_of, Role::kViewer, kRootNamespace)) {
      if (auto done = restrict_page(reader, reader_of, records.rows); !done) return tl::unexpected(done.error());
    }
    result.items = std::move(records.rows);
    return result;
  });
  if (!page) return tl::unexpected(Refusal(page.error()));
  if (!*page) return tl::unexpected(Refusal(page->error()));
  return **std::move(page);
}

Result<RevisionView> Revisions::get(const Principal& reader_of, std::uint64_t number, std::size_t first,
                                    std::size_t limit) {
  auto view = store_.read([&](Reader& reader) -> Result<RevisionView> {
    auto record = reader.find_revision(number);
    if (!record) return refuse_unknown_revision(number);
    RevisionView result;
    auto changes = reader.revision_changes(number, number);
    const auto hidden = hide(reader_of, changes);
    if (!hidden) return tl::unexpected(Refusal(hidden.error()));
    if (*hidden > 0 && changes.empty()) return refuse_unknown_revision(number);  // as the list leaves it out
    result.record = *std::move(record);
    result.hidden = *hidden;
    if (result.hidden > 0) result.record.summary.clear();
    result.visible = changes.size();
    const std::size_t start = std::min(first, changes.size());
    const std::size_t end = start + std::min(limit, changes.size() - start);
    for (std::size_t i = start; i < end; ++i) result.changes.push_back(std::move(changes[i]));
    return result;
  });
  if (!view) return tl::unexpected(Refusal(view.error()));
  return *std::move(view);
}

Result<RollbackResult> Revisions::roll_back(const Rollback& rollback) {
  const UnixMillis now_ms = clock_.now_ms();
  const std::string number = std::to_string(rollback.number);
  CommitOptions options{rollback.actor, "roll back to revision " + number, rollback.force, rollback.dry_run,
                        TestGate::kClosed};
  options.sessions = sessions_;
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<RollbackResult> {
    if (!writer.find_revision(rollback.number)) return refuse_unknown_revision(rollback.number);
    const auto recorded = writer.first_recorded_revision();
    if (rollback.number < writer.revision() && (!recorded || rollback.number + 1 < *recorded)) {
      return refuse(ErrorCode::kConflict, "revision_has_no_history",
                    "what changed right after revision " + number +
                        " is not recorded: the oldest revision to go back "
                        "to is " +
                        std::to_string(recorded ? *recorded - 1 : writer.revision()));
    }
    PolicyDraft draft(writer, &documents_);
    if (auto loaded = draft.load_documents(); !loaded) return tl::unexpected(loaded.error());
    if (auto planned = plan_way_back(writer, draft, rollback.number, rollback.actor.name, now_ms); !planned) {
      return tl::unexpected(planned.error());
    }
    draft.settle();
    if (draft.is_empty()) {
      writer.discard();
      return RollbackResult();
    }
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    RollbackResult done;
    done.revision = commit.revision;
    done.changes = writer.revision_changes(commit.revision, commit.revision);
    done.cascade_warnings = commit.cascade_warnings;
    done.warnings = find_expired(draft, now_ms);
    audit_rollback(writer, rollback, commit.revision, done.changes.size(), now_ms);
    return done;
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
