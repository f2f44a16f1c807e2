#include "server/service/namespaces.h"

#include <algorithm>
#include <iterator>

#include "server/service/policy_commit.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

// Ancestors of the scope come before its subtree in the order of paths.
RowPage<NamespaceRecord> visible_namespaces(Reader& reader, const Principal& principal, const std::string& after,
                                            std::size_t limit) {
  auto ancestors = ancestor_namespaces(principal.scope);
  std::reverse(ancestors.begin(), ancestors.end());
  RowPage<NamespaceRecord> page;
  for (const std::string_view path : ancestors) {
    if (path <= after) continue;
    auto record = reader.find_namespace(path);
    if (!record) continue;
    page.more = page.rows.size() == limit;
    if (page.more) return page;
    page.rows.push_back(*std::move(record));
  }
  if (page.rows.size() == limit) {
    page.more = !reader.namespaces_in(principal.scope, after, 1).rows.empty();
    return page;
  }
  RowPage<NamespaceRecord> subtree = reader.namespaces_in(principal.scope, after, limit - page.rows.size());
  std::move(subtree.rows.begin(), subtree.rows.end(), std::back_inserter(page.rows));
  page.more = subtree.more;
  return page;
}

}  // namespace

Result<void> Namespaces::ensure_initial() {
  const UnixMillis now_ms = clock_.now_ms();
  return store_.write([&](Writer& writer) -> Result<void> {
    if (writer.find_namespace(kRootNamespace)) return {};
    PolicyDraft draft(writer);
    for (const std::string_view path : {kRootNamespace, kDefaultNamespace}) {
      NamespaceRecord record;
      record.path = std::string(path);
      record.description = path == kRootNamespace ? "the whole fleet" : "workloads that name no namespace";
      record.created_at_ms = record.updated_at_ms = now_ms;
      draft.put(std::move(record));
    }
    const auto committed = commit_draft(writer, draft, {Principal::server(), "first start"}, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    return {};
  });
}

Result<Namespaces::Page> Namespaces::list(const Principal& principal, const std::string& after, std::size_t limit) {
  const UnixMillis now_ms = clock_.now_ms();
  auto page = store_.read([&](Reader& reader) {
    Page result;
    auto records = visible_namespaces(reader, principal, after, limit);
    ChainReader chains(reader);
    for (NamespaceRecord& record : records.rows) {
      result.items.push_back(view_of(reader, chains.chain_of(std::move(record)), now_ms));
    }
    if (records.more) result.next_after = result.items.back().record.path;
    return result;
  });
  if (!page) return tl::unexpected(Refusal(page.error()));
  return *std::move(page);
}

Result<NamespaceView> Namespaces::get(const std::string& path) {
  const UnixMillis now_ms = clock_.now_ms();
  auto view = store_.read([&](Reader& reader) -> std::optional<NamespaceView> {
    const auto chain = existing_chain(reader, path);
    if (chain.empty() || chain.front().path != path) return std::nullopt;
    return view_of(reader, chain, now_ms);
  });
  if (!view) return tl::unexpected(Refusal(view.error()));
  if (!*view) return refuse_unknown_namespace(path);
  return **std::move(view);
}

Result<NamespaceDetail> Namespaces::describe(const std::string& path) {
  const UnixMillis now_ms = clock_.now_ms();
  auto detail = store_.read([&](Reader& reader) -> std::optional<NamespaceDetail> {
    const auto chain = existing_chain(reader, path);
    if (chain.empty() || chain.front().path != path) return std::nullopt;
    return detail_of(reader, chain, now_ms);
  });
  if (!detail) return tl::unexpected(Refusal(detail.error()));
  if (!*detail) return refuse_unknown_namespace(path);
  if (sessions_ != nullptr) (*detail)->live_sessions = sessions_->sessions_below(path);
  return **std::move(detail);
}

Result<NamespacePutResult> Namespaces::put(const NamespacePut& put) {
  const UnixMillis now_ms = clock_.now_ms();
  CommitOptions options{put.actor, "namespace " + put.path, put.force, put.dry_run};
  options.sessions = sessions_;
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<NamespacePutResult> {
    PolicyDraft draft(writer);
    const auto created = plan_namespace_put(draft, put, now_ms);
    if (!created) return tl::unexpected(created.error());
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    NamespacePutResult done;
    done.created = *created;
    done.cascade_warnings = commit.cascade_warnings;
    done.view = view_of(writer, existing_chain(writer, put.path), now_ms);
    const AllowList& allowed = done.view.record.allowed;
    const bool closes = put.allowed.present && allowed && allowed->empty();
    if (closes && sessions_ != nullptr) done.live_sessions = sessions_->sessions_below(put.path);
    return done;
  });
  if (result) publish(observer_, commit);
  return result;
}

Result<std::size_t> Namespaces::remove(const NamespaceRemoval& removal) {
  const UnixMillis now_ms = clock_.now_ms();
  CommitOptions options{removal.actor, "delete namespace " + removal.path, removal.force, removal.dry_run};
  options.sessions = sessions_;
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<std::size_t> {
    PolicyDraft draft(writer);
    if (auto planned = plan_namespace_removal(draft, removal.path, removal.actor); !planned) {
      return tl::unexpected(planned.error());
    }
    auto committed = commit_draft(writer, draft, options, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    return sessions_ != nullptr ? sessions_->sessions_in(removal.path) : std::size_t{0};
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
