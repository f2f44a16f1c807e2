#include "server/service/namespaces.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/domain_json.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxNamedDescendants = 20;

Json render_warnings(const std::vector<Uncovered>& cascade) {
  Json list = Json::array();
  for (const Uncovered& item : cascade) {
    Json warning = Json::object();
    warning["child"] = item.child;
    warning["uncovered_domains"] = item.domains;
    list.push_back(std::move(warning));
  }
  return list;
}

tl::unexpected<Refusal> refuse_widening(const std::string& path, const Widening& widening) {
  Refusal refusal(ErrorCode::kConflict, "child_widens_parent",
                  "domain " + widening.domain + " is not covered by ancestor " + widening.ancestor);
  Json fields = Json::object();
  fields["namespace"] = path;
  fields["domain"] = widening.domain;
  fields["ancestor"] = widening.ancestor;
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

tl::unexpected<Refusal> refuse_cascade(const std::vector<Uncovered>& cascade) {
  Refusal refusal(ErrorCode::kConflict, "cascade_violations", "");  // the seed prints this body without a message
  Json fields = Json::object();
  fields["cascade_warnings"] = render_warnings(cascade);
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

template <typename Enum>
Json name_or_null(const std::optional<Enum>& value) {
  return value ? Json(name_of(*value)) : Json(nullptr);
}

Json render_detail(const NamespaceRecord& record) {
  Json detail = Json::object();
  detail["description"] = record.description;
  detail["allowed_domains"] = render_domains(record.allowed);
  detail["blocked_domains"] = render_domains(record.blocked);
  detail["mode"] = name_or_null(record.mode);
  detail["loopback"] = name_or_null(record.loopback);
  detail["lookups"] = name_or_null(record.lookups);
  if (record.path == kRootNamespace) detail["default_action"] = name_or_null(record.default_action);
  return detail;
}

AuditEvent audit_event(std::string event, const std::string& path, const std::string& actor) {
  AuditEvent audit;
  audit.event = std::move(event);
  audit.actor = actor;
  audit.namespace_path = path;
  audit.subject = path;
  audit.layer = "namespace:" + path;
  return audit;
}

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

tl::unexpected<Refusal> refuse_unknown_namespace(const std::string& path) {
  Refusal refusal(ErrorCode::kNotFound, "namespace_unknown",
                  "namespace " + path + " does not exist: create it with POST /api/fleet/namespaces {\"name\": \"" +
                      path + "\"}, or name an existing one (EGRESS_NAMESPACE)");
  Json fields = Json::object();
  fields["namespace"] = path;
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

Result<void> Namespaces::ensure_initial() {
  const UnixMillis now_ms = clock_.now_ms();
  return store_.write([&](Writer& writer) -> Result<void> {
    if (writer.find_namespace(kRootNamespace)) return {};
    const std::uint64_t revision = writer.bump_revision(now_ms, "server", "first start");
    for (const std::string_view path : {kRootNamespace, kDefaultNamespace}) {
      NamespaceRecord record;
      record.path = std::string(path);
      record.description = path == kRootNamespace ? "the whole fleet" : "workloads that name no namespace";
      record.created_at_ms = record.updated_at_ms = now_ms;
      record.revision = revision;
      writer.put_namespace(record);
      append_audit(writer, now_ms, audit_event("namespace_created", record.path, "server"), render_detail(record));
    }
    return {};
  });
}

Result<Namespaces::Page> Namespaces::list(const std::string& after, std::size_t limit) {
  const UnixMillis now_ms = clock_.now_ms();
  auto page = store_.read([&](Reader& reader) {
    Page result;
    auto records = reader.namespaces(after, limit);
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
    const auto stored = writer.find_namespace(put.path);
    NamespaceRecord record = changed_record(stored, put, now_ms);
    NamespacePutResult done;
    done.created = !stored;
    const AllowList before = stored ? stored->allowed : AllowList();
    if (record.allowed != before && record.allowed) {
      auto chain = existing_chain(writer, put.path);
      if (stored) chain.erase(chain.begin());
      if (const auto widening = find_widening(chain, added_entries(before, *record.allowed, now_ms), now_ms)) {
        return refuse_widening(put.path, *widening);
      }
      done.cascade_warnings = find_cascade(writer, put.path, record.allowed, now_ms);
      if (!done.cascade_warnings.empty() && !put.force) return refuse_cascade(done.cascade_warnings);
    }
    revision = writer.bump_revision(now_ms, put.actor, "namespace " + put.path);
    record.revision = revision;
    writer.put_namespace(record);
    Json detail = render_detail(record);
    if (stored) detail["previous"] = render_detail(*stored);
    detail["forced"] = put.force;
    detail["cascade_warnings"] = render_warnings(done.cascade_warnings);
    const char* event = stored ? "namespace_updated" : "namespace_created";
    append_audit(writer, now_ms, audit_event(event, put.path, put.actor), detail);
    done.view = view_of(writer, std::move(record), now_ms);
    if (put.dry_run) writer.discard();
    return done;
  });
  if (result && !put.dry_run) observer_.policy_changed({revision, put.path});
  return result;
}

Result<void> Namespaces::remove(const NamespaceRemoval& removal) {
  if (removal.path == kRootNamespace) {
    return refuse(ErrorCode::kConflict, "root_undeletable", "the root namespace / always exists and cannot be deleted");
  }
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<void> {
    const auto stored = writer.find_namespace(removal.path);
    if (!stored) return refuse_unknown_namespace(removal.path);
    if (!removal.force && writer.has_descendants(removal.path)) {
      Json names = Json::array();
      for (const NamespaceRecord& child : writer.descendants(removal.path)) {
        if (names.size() < kMaxNamedDescendants) names.push_back(child.path);
      }
      Refusal refusal(ErrorCode::kConflict, "namespace_in_use",
                      "namespace " + removal.path + " has descendants: delete them first, or pass force=true");
      Json fields = Json::object();
      fields["namespace"] = removal.path;
      fields["descendants"] = std::move(names);
      refusal.fields = std::make_shared<const Json>(std::move(fields));
      return tl::unexpected<Refusal>(std::move(refusal));
    }
    writer.remove_namespace(removal.path);
    revision = writer.bump_revision(now_ms, removal.actor, "delete namespace " + removal.path);
    Json detail = render_detail(*stored);
    detail["forced"] = removal.force;
    append_audit(writer, now_ms, audit_event("namespace_deleted", removal.path, removal.actor), detail);
    if (removal.dry_run) writer.discard();
    return {};
  });
  if (result && !removal.dry_run) observer_.policy_changed({revision, removal.path});
  return result;
}

}  // namespace egress::server
