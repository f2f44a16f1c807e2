#include "server/api/operation_fields.h"

#include "server/service/document_kinds.h"
#include "shared/manifest/node.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxPathBytes = 1100;  // 16 labels of 63 bytes and their slashes fit
constexpr std::size_t kMaxDescriptionBytes = 4096;
constexpr std::size_t kMaxDocumentNameBytes = 512;
constexpr std::string_view kOperations =
    "allow, block, remove_allow, remove_block, namespace, remove_namespace, mode, manifest, remove_document";

EgressRemoval read_egress_removal(ObjectFields& fields, Action action, Warnings& warnings) {
  EgressRemoval removal;
  removal.action = action;
  const std::string domain = fields.required_text("domain", kMaxDomainText);
  if (!fields.failed()) removal.pattern = read_pattern(fields, "domain", domain, warnings).value_or(HostPattern());
  return removal;
}

NamespaceRemoval read_namespace_removal(ObjectFields& fields) {
  NamespaceRemoval removal;
  removal.path = read_namespace_path(fields, "name");
  return removal;
}

ManifestText read_manifest_text(ObjectFields& fields) {
  ManifestText manifest;
  manifest.text = fields.required_text("manifest", kMaxManifestTextBytes);
  const auto space = fields.text("namespace", kMaxPathBytes);
  if (space.value) manifest.default_namespace = read_namespace_path(fields, "namespace");
  return manifest;
}

DocumentRemoval read_document_removal(ObjectFields& fields) {
  DocumentRemoval removal;
  removal.kind = fields.required_text("kind", kMaxDocumentNameBytes);
  if (!fields.failed() && !find_document_kind(removal.kind)) {
    fields.refuse("kind", "\"" + removal.kind + "\" is not one of " + document_kinds());
  }
  const auto space = fields.text("namespace", kMaxPathBytes);
  if (space.value) removal.namespace_path = read_namespace_path(fields, "namespace");
  removal.name = fields.required_text("name", kMaxPathBytes);
  return removal;
}

std::optional<Operation> read_fields_of(const std::string& op, ObjectFields& fields, UnixMillis now_ms,
                                        Warnings& warnings) {
  if (op == "allow") return read_egress_put(fields, Action::kAllow, now_ms, warnings);
  if (op == "block") return read_egress_put(fields, Action::kDeny, now_ms, warnings);
  if (op == "remove_allow") return read_egress_removal(fields, Action::kAllow, warnings);
  if (op == "remove_block") return read_egress_removal(fields, Action::kDeny, warnings);
  if (op == "namespace") return read_namespace_put(fields, warnings);
  if (op == "remove_namespace") return read_namespace_removal(fields);
  if (op == "mode") return read_mode(fields);
  if (op == "manifest") return read_manifest_text(fields);
  if (op == "remove_document") return read_document_removal(fields);
  return std::nullopt;
}

}  // namespace

EgressPut read_egress_put(ObjectFields& fields, Action action, UnixMillis now_ms, Warnings& warnings) {
  EgressPut put;
  put.action = action;
  const std::string domain = fields.required_text("domain", kMaxDomainText);
  if (!fields.failed()) put.pattern = read_pattern(fields, "domain", domain, warnings).value_or(HostPattern());
  put.reason = fields.text("reason", kMaxReasonBytes);
  if (action == Action::kAllow) put.require_auth = fields.boolean("require_auth");
  put.expires_at_ms = read_expiry(fields, now_ms);
  return put;
}

NamespacePut read_namespace_put(ObjectFields& fields, Warnings& warnings) {
  NamespacePut put;
  put.path = read_namespace_path(fields, "name");
  put.description = fields.text("description", kMaxDescriptionBytes);
  put.allowed = read_domains(fields, "allowed_domains", warnings);
  put.blocked = read_domains(fields, "blocked_domains", warnings);
  put.mode = fields.name("mode", find_mode, "enforcement, shadow, discovery");
  put.loopback = fields.name("loopback", find_loopback_mode, "pass, enforce");
  put.lookups = fields.name("lookups", find_lookup_mode, "resolvable, listed");
  put.default_action = fields.name("default_action", find_action, "deny, allow");
  return put;
}

std::string read_namespace_path(ObjectFields& fields, const std::string& key) {
  const std::string text = fields.required_text(key, kMaxPathBytes);
  if (text.empty()) return text;
  const auto path = parse_namespace_path(text);
  if (path) return *path;
  fields.refuse(key, path.error().message);
  return {};
}

Mode read_mode(ObjectFields& fields) {
  const auto wanted = fields.name("mode", find_mode, "enforcement, shadow, discovery");
  if (!wanted.value) fields.refuse("mode", "is required: one of enforcement, shadow, discovery");
  return wanted.value.value_or(Mode::kEnforcement);
}

Result<Operation> read_operation(ObjectFields& fields, UnixMillis now_ms, Warnings& warnings) {
  const std::string op = fields.required_text("op", kMaxDocumentNameBytes);
  std::optional<Operation> operation;
  if (!op.empty()) {
    operation = read_fields_of(op, fields, now_ms, warnings);
    if (!operation) fields.refuse("op", "\"" + op.substr(0, 64) + "\" is not one of " + std::string(kOperations));
  }
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  return *std::move(operation);
}

}  // namespace egress::server
