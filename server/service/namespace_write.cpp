#include "server/service/namespace_write.h"

#include <algorithm>

#include "server/service/audit_chain.h"
#include "server/service/domain_json.h"
#include "server/service/json_values.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxNamedReferrers = 20;
constexpr std::size_t kMaxAuditedWarnings = 1000;  // an audit row stays readable; the answer names every child

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

// What a deletion would leave behind, as the fields of the refusal; each list is cut at kMaxNamedReferrers.
Json find_use(Reader& reader, const std::string& path, const SessionCounter* sessions) {
  Json use = Json::object();
  if (auto children = reader.descendant_paths(path, kMaxNamedReferrers); !children.empty()) {
    use["descendants"] = std::move(children);
  }
  DocumentFilter filter;
  filter.namespace_path = path;
  for (const DocumentRecord& document : reader.documents(filter)) {
    Json& names = use["documents"];
    if (names.size() < kMaxNamedReferrers) names.push_back(document.kind + " " + path + "/" + document.name);
  }
  // Those of the namespace itself come before those below it.
  for (const WorkloadRecord& workload : reader.workloads(path, "", "", kMaxNamedReferrers).rows) {
    if (workload.namespace_path == path) use["workloads"].push_back(workload.name);
  }
  const std::size_t live = sessions != nullptr ? sessions->sessions_in(path) : 0;
  if (live > 0) use["live_sessions"] = live;
  return use;
}

std::string describe_use(const Json& use) {
  std::string text;
  for (const auto& [key, words] :
       {std::pair("descendants", "descendants"), std::pair("documents", "attached documents"),
        std::pair("workloads", "registered workloads"), std::pair("live_sessions", "live sessions")}) {
    if (use.contains(key)) text += (text.empty() ? "" : " and ") + std::string(words);
  }
  return text;
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

Json render_cascade(std::span<const Uncovered> cascade) {
  Json::array_t list;  // of thousands, where a root's list is narrowed
  list.reserve(cascade.size());
  for (const Uncovered& item : cascade) {
    Json::object_t warning;
    warning.reserve(2);
    warning.emplace("child", item.child);
    warning.emplace("uncovered_domains", item.domains);
    list.emplace_back(std::move(warning));
  }
  return Json(std::move(list));
}

tl::unexpected<Refusal> refuse_cascade(const std::vector<Uncovered>& cascade) {
  Refusal refusal(ErrorCode::kConflict, "cascade_violations", "");  // the seed prints this body without a message
  Json fields = Json::object();
  fields["cascade_warnings"] = render_cascade(cascade);
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

tl::unexpected<Refusal> refuse_unknown_namespace(const std::string& path) {
  Refusal refusal(ErrorCode::kNotFound, "namespace_unknown",
                  "namespace " + path + " does not exist: create it with POST /api/fleet/namespaces {\"name\": \"" +
                      path + "\"}, or name an existing one (EGRESS_NAMESPACE)");
  Json fields = Json::object();
  fields["namespace"] = path;
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

Result<bool> plan_namespace_put(PolicyDraft& draft, const NamespacePut& put, UnixMillis now_ms) {
  if (auto allowed = require(put.actor, Role::kOperator, put.path); !allowed) return tl::unexpected(allowed.error());
  if (put.default_action.present && put.path != kRootNamespace) {
    return refuse_field("invalid_field", "default_action",
                        "default_action belongs to the root namespace / alone, not to " + put.path);
  }
  const auto stored = draft.find_namespace(put.path);
  draft.put(changed_record(stored, put, now_ms));
  return !stored;
}

Result<void> plan_namespace_removal(PolicyDraft& draft, const std::string& path, const Principal& actor) {
  if (auto allowed = require(actor, Role::kOperator, path); !allowed) return allowed;
  if (path == kRootNamespace) {
    return refuse(ErrorCode::kConflict, "root_undeletable", "the root namespace / always exists and cannot be deleted");
  }
  if (!draft.find_namespace(path)) return refuse_unknown_namespace(path);
  draft.remove_namespace(path);
  return {};
}

Result<std::vector<Uncovered>> check_narrowing(Reader& reader, const NamespaceSlot& slot, UnixMillis now_ms) {
  const AllowList before = slot.before ? slot.before->allowed : AllowList();
  if (!slot.after || slot.after->allowed == before || !slot.after->allowed) return std::vector<Uncovered>();
  const NamespaceRecord& record = *slot.after;
  const auto chain = existing_chain(reader, record.path);
  const auto ancestors = std::span(chain).subspan(1);  // the first is the namespace itself
  if (const auto widening = find_widening(ancestors, added_entries(before, *record.allowed, now_ms), now_ms)) {
    return refuse_widening(record.path, *widening);
  }
  return find_cascade(reader, record.path, record.allowed, now_ms);
}

Result<void> check_unused(Reader& reader, const std::string& path, const SessionCounter* sessions) {
  const Json use = find_use(reader, path, sessions);
  if (use.empty()) return {};
  Refusal refusal(ErrorCode::kConflict, "namespace_in_use",
                  "namespace " + path + " has " + describe_use(use) + ": delete them first, or pass force=true");
  Json fields = Json::object();
  fields["namespace"] = path;
  fields.update(use);
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return tl::unexpected<Refusal>(std::move(refusal));
}

void audit_namespace_change(Writer& writer, const NamespaceSlot& slot, const std::vector<Uncovered>& cascade,
                            bool forced, const std::string& actor, UnixMillis now_ms) {
  if (!slot.after) {
    Json detail = render_detail(*slot.before);
    detail["forced"] = forced;
    append_audit(writer, now_ms, audit_event("namespace_deleted", slot.before->path, actor), detail);
    return;
  }
  Json detail = render_detail(*slot.after);
  if (slot.before) detail["previous"] = render_detail(*slot.before);
  detail["forced"] = forced;
  detail["cascade_warnings"] = render_cascade(std::span(cascade).first(std::min(cascade.size(), kMaxAuditedWarnings)));
  if (cascade.size() > kMaxAuditedWarnings) detail["cascade_warnings_in_all"] = cascade.size();
  const char* event = slot.before ? "namespace_updated" : "namespace_created";
  append_audit(writer, now_ms, audit_event(event, slot.after->path, actor), detail);
}

}  // namespace egress::server
