#include "server/service/namespaces.h"

#include <algorithm>
#include <iterator>

#include "server/service/namespace_write.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

NamespaceView view_of(Reader& reader, NamespaceRecord record, UnixMillis now_ms) {
  const auto chain = existing_chain(reader, record.path);
  NamespaceView view;
  view.effective = effective_settings(chain, reader.server_mode());
  view.broken = find_broken(chain, now_ms);
  view.parent_exists =
      record.path == kRootNamespace || (chain.size() > 1 && chain[1].path == parent_namespace(record.path));
  view.record = std::move(record);
  return view;
}

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

NamespaceRecord changed_record(const std::optional<NamespaceRecord>& stored, const NamespacePut& put,
                               UnixMillis now_ms) {
  NamespaceRecord record;
  if (stored) {
    record = *stored;
  } else {
    record.path = put.path;
    record.created_at_ms = now_ms;
  }
  record.updated_at_ms = now_ms;
  put.description.apply_to(record.description);
  put.allowed.apply_to(record.allowed);
  put.blocked.apply_to(record.blocked);
  put.mode.apply_to(record.mode);
  put.loopback.apply_to(record.loopback);
  put.lookups.apply_to(record.lookups);
  put.default_action.apply_to(record.default_action);
  return record;
}

}  // namespace

Result<void> Namespaces::ensure_initial() {
  const UnixMillis now_ms = clock_.now_ms();
  return store_.write([&](Writer& writer) -> Result<void> {
    if (writer.find_namespace(kRootNamespace)) return {};
    const std::uint64_t revision = writer.bump_revision(now_ms, "server", "first start");
    for (const std::string_view path : {kRootNamespace, kDefaultNamespace}) {
      NamespaceWrite write;
      NamespaceRecord& record = write.record;
      record.path = std::string(path);
      record.description = path == kRootNamespace ? "the whole fleet" : "workloads that name no namespace";
      record.created_at_ms = record.updated_at_ms = now_ms;
      record.revision = revision;
      writer.put_namespace(record);
      audit_namespace_write(writer, write, {}, false, "server", now_ms);
    }
    return {};
  });
}

Result<Namespaces::Page> Namespaces::list(const Principal& principal, const std::string& after, std::size_t limit) {
  const UnixMillis now_ms = clock_.now_ms();
  auto page = store_.read([&](Reader& reader) {
    Page result;
    auto records = visible_namespaces(reader, principal, after, limit);
    for (NamespaceRecord& record : records.rows) result.items.push_back(view_of(reader, std::move(record), now_ms));
    if (records.more) result.next_after = result.items.back().record.path;
    return result;
  });
  if (!page) return tl::unexpected(Refusal(page.error()));
  return *std::move(page);
}

Result<NamespaceView> Namespaces::get(const std::string& path) {
  const UnixMillis now_ms = clock_.now_ms();
  auto view = store_.read([&](Reader& reader) -> std::optional<NamespaceView> {
    auto record = reader.find_namespace(path);
    if (!record) return std::nullopt;
    return view_of(reader, *std::move(record), now_ms);
  });
  if (!view) return tl::unexpected(Refusal(view.error()));
  if (!*view) return refuse_unknown_namespace(path);
  return **std::move(view);
}

Result<NamespacePutResult> Namespaces::put(const NamespacePut& put) {
  if (put.default_action.present && put.path != kRootNamespace) {
    return refuse_field("invalid_field", "default_action",
                        "default_action belongs to the root namespace / alone, not to " + put.path);
  }
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<NamespacePutResult> {
    NamespaceWrite write;
    write.previous = writer.find_namespace(put.path);
    write.record = changed_record(write.previous, put, now_ms);
    revision = writer.bump_revision(now_ms, put.actor.name, "namespace " + put.path);
    write.record.revision = revision;
    writer.put_namespace(write.record);
    auto cascade = check_narrowing(writer, write, now_ms);
    if (!cascade) return tl::unexpected(cascade.error());
    if (!cascade->empty() && !put.force) return refuse_cascade(*cascade);
    audit_namespace_write(writer, write, *cascade, put.force, put.actor.name, now_ms);
    NamespacePutResult done;
    done.created = !write.previous;
    done.cascade_warnings = *std::move(cascade);
    done.view = view_of(writer, std::move(write.record), now_ms);
    if (put.dry_run) writer.discard();
    return done;
  });
  if (result && !put.dry_run) observer_.policy_changed({revision, put.path});
  return result;
}

Result<void> Namespaces::remove(const NamespaceRemoval& removal) {
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<void> {
    const auto erased = erase_namespace(writer, removal.path, removal.force, removal.actor.name, now_ms);
    if (!erased) return tl::unexpected(erased.error());
    revision = writer.bump_revision(now_ms, removal.actor.name, "delete namespace " + removal.path);
    if (removal.dry_run) writer.discard();
    return {};
  });
  if (result && !removal.dry_run) observer_.policy_changed({revision, removal.path});
  return result;
}

}  // namespace egress::server
