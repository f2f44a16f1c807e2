#include "server/service/document_text.h"

#include <nlohmann/json.hpp>

#include "server/service/document_kinds.h"
#include "server/service/domain_json.h"
#include "shared/base/time_text.h"
#include "shared/json/strict_json.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

std::string head(std::string_view kind, const std::string& name) {
  return "apiVersion: egress/v1\nkind: " + std::string(kind) + "\nmetadata:\n  name: " + render_json(Json(name)) +
         "\nspec:\n";
}

// JSON is YAML.
std::string field(const std::string& name, const Json& value) { return "  " + name + ": " + render_json(value) + "\n"; }

std::string domains(const std::string& name, const std::vector<DomainEntry>& entries) {
  if (entries.empty()) return "  " + name + ": []\n";
  std::string text = "  " + name + ":\n";
  for (const Json& entry : render_domains(entries)) text += "    - " + render_json(entry) + "\n";
  return text;
}

}  // namespace

std::string render_namespace_document(const NamespaceRecord& record) {
  std::string text = head(kNamespaceKind, record.path) + field("description", record.description);
  if (record.allowed) text += domains("allowed_domains", *record.allowed);
  text += domains("blocked_domains", record.blocked);
  if (record.mode) text += field("mode", name_of(*record.mode));
  if (record.loopback) text += field("loopback", name_of(*record.loopback));
  if (record.lookups) text += field("lookups", name_of(*record.lookups));
  if (record.default_action) text += field("default_action", name_of(*record.default_action));
  return text;
}

std::string render_domain_document(const EgressEntry& entry) {
  const bool allows = entry.action == Action::kAllow;
  std::string text = head(kEgressDomainKind, format_host_pattern(entry.pattern)) +
                     field("action", allows ? "allow" : "block") + field("reason", entry.reason);
  if (allows) text += field("require_auth", entry.require_auth);
  if (entry.expires_at_ms) text += field("expires_at", format_time(*entry.expires_at_ms));
  return text;
}

}  // namespace egress::server
