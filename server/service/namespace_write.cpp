#include "server/service/namespace_write.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "server/service/domain_json.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxNamedReferrers = 20;

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

// namespace_in_use, if descendants or documents stand in the way.
std::optional<Refusal> find_use(Reader& reader, const std::string& path) {
  Json descendants = Json::array();
  for (std::string& child : reader.descendant_paths(path, kMaxNamedReferrers)) descendants.push_back(std::move(child));
  Json documents = Json::array();
  DocumentFilter filter;
  filter.namespace_path = path;
  for (const DocumentRecord& document : reader.documents(filter)) {
    if (documents.size() < kMaxNamedReferrers) documents.push_back(document.kind + " " + path + "/" + document.name);
  }
  if (descendants.empty() && documents.empty()) return std::nullopt;
  const char* what = documents.empty()     ? "descendants"
                     : descendants.empty() ? "attached documents"
                                           : "descendants and attached documents";
  Refusal refusal(ErrorCode::kConflict, "namespace_in_use",
                  "namespace " + path + " has " + what + ": delete them first, or pass force=true");
  Json fields = Json::object();
  fields["namespace"] = path;
  if (!descendants.empty()) fields["descendants"] = std::move(descendants);
  if (!documents.empty()) fields["documents"] = std::move(documents);
  refusal.fields = std::make_shared<const Json>(std::move(fields));
  return refusal;
}

}  // namespace

Json render_cascade(const std::vector<Uncovered>& cascade) {
  Json list = Json::array();
  for (const Uncovered& item : cascade) {
    Json warning = Json::object();
    warning["child"] = item.child;
    warning["uncovered_domains"] = item.domains;
    list.push_back(std::move(warning));
  }
  return list;
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

Result<std::vector<Uncovered>> check_narrowing(Reader& reader, const NamespaceWrite& write, UnixMillis now_ms) {
  const NamespaceRecord& record = write.record;
  const AllowList before = write.previous ? write.previous->allowed : AllowList();
  if (record.allowed == before || !record.allowed) return std::vector<Uncovered>();
  const auto chain = existing_chain(reader, record.path);
  const auto ancestors = std::span(chain).subspan(1);  // the first is the namespace itself
  if (const auto widening = find_widening(ancestors, added_entries(before, *record.allowed, now_ms), now_ms)) {
    return refuse_widening(record.path, *widening);
  }
  return find_cascade(reader, record.path, record.allowed, now_ms);
}

void audit_namespace_write(Writer& writer, const NamespaceWrite& write, const std::vector<Uncovered>& cascade,
                           bool forced, const std::string& actor, UnixMillis now_ms) {
  Json detail = render_detail(write.record);
  if (write.previous) detail["previous"] = render_detail(*write.previous);
  detail["forced"] = forced;
  detail["cascade_warnings"] = render_cascade(cascade);
  const char* event = write.previous ? "namespace_updated" : "namespace_created";
  append_audit(writer, now_ms, audit_event(event, write.record.path, actor), detail);
}

Result<NamespaceRecord> erase_namespace(Writer& writer, const std::string& path, bool force, const std::string& actor,
                                        UnixMillis now_ms) {
  if (path == kRootNamespace) {
    return refuse(ErrorCode::kConflict, "root_undeletable", "the root namespace / always exists and cannot be deleted");
  }
  auto stored = writer.find_namespace(path);
  if (!stored) return refuse_unknown_namespace(path);
  if (!force) {
    if (auto use = find_use(writer, path)) return tl::unexpected<Refusal>(*std::move(use));
  }
  writer.remove_namespace(path);
  Json detail = render_detail(*stored);
  detail["forced"] = force;
  append_audit(writer, now_ms, audit_event("namespace_deleted", path, actor), detail);
  return *std::move(stored);
}

}  // namespace egress::server
