// Namespace, EgressDomain and PolicyTest (policy.md section 10).
#include "shared/manifest/document_readers.h"
#include "shared/manifest/rule_fields.h"
#include "shared/policy/destination.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

std::vector<Destination> read_destinations(Fields& spec, std::string_view key) {
  std::vector<Destination> result;
  const std::vector<Node>* items = spec.filled_list(key, "destinations");
  if (items == nullptr) return result;
  for (std::size_t i = 0; i < items->size(); ++i) {
    constexpr const char* kExpected = "a destination such as api.stripe.com:443/tcp";
    const std::string path = element_path(spec.path_of(key), i);
    const Node& item = (*items)[i];
    if (!is_text(item)) {
      spec.report().problem(item, path, "is not a string", kExpected);
      continue;
    }
    auto destination = parse_destination(item.scalar);
    if (destination) {
      result.push_back(*std::move(destination));
    } else {
      spec.report().problem(item, path, destination.error().message, kExpected);
    }
  }
  return result;
}

}  // namespace

std::optional<Document> read_namespace(DocumentHead head, Fields& document) {
  NamespaceDocument result;
  result.head = std::move(head);
  Report& report = document.report();
  const auto path = parse_namespace_path(result.head.name);
  if (!path && !result.head.name.empty())
    report.problem(document.node(), "metadata.name", path.error().message, "a namespace such as prod/payments");
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", report);
  result.description = spec.text("description").value_or("");
  if (const std::vector<Node>* allowed = spec.list("allowed_domains", "domains")) {
    result.allowed_domains = read_domain_entries(*allowed, "spec.allowed_domains", report);
  }
  if (const std::vector<Node>* blocked = spec.list("blocked_domains", "domains")) {
    result.blocked_domains = read_domain_entries(*blocked, "spec.blocked_domains", report);
  }
  result.mode = read_choice<Mode>(spec, "mode", find_mode, "discovery, shadow or enforcement");
  result.loopback = read_choice<LoopbackMode>(spec, "loopback", find_loopback_mode, "pass or enforce");
  result.lookups = read_choice<LookupMode>(spec, "lookups", find_lookup_mode, "resolvable or listed");
  result.default_action = read_choice<Action>(spec, "default_action", find_action, "allow or deny");
  if (result.default_action && result.head.name != kRootNamespace) {
    report.problem(*spec.find("default_action"), "spec.default_action",
                   "only the root namespace \"/\" has a default action", "no such field");
  }
  spec.finish();
  return result;
}

std::optional<Document> read_egress_domain(DocumentHead head, Fields& document) {
  EgressDomain result;
  result.head = std::move(head);
  Report& report = document.report();
  const auto pattern = parse_host_pattern(result.head.name);
  if (pattern) {
    result.pattern = pattern->pattern;
  } else if (!result.head.name.empty()) {
    report.problem(document.node(), "metadata.name", pattern.error().message, "a domain");
  }
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", report);
  spec.require("action", "allow or block");
  const auto find_domain_action = +[](std::string_view name) -> std::optional<Action> {
    if (name == "allow") return Action::kAllow;
    if (name == "block") return Action::kDeny;
    return std::nullopt;
  };
  result.action = read_choice<Action>(spec, "action", find_domain_action, "allow or block").value_or(Action::kDeny);
  result.reason = spec.text("reason").value_or("");
  result.require_auth = spec.boolean("require_auth").value_or(false);
  result.expires_at_ms = read_time(spec, "expires_at");
  if (result.require_auth && result.action == Action::kDeny) {
    report.problem(*spec.find("require_auth"), "spec.require_auth", "has no meaning on a block", "no such field");
  }
  spec.finish();
  return result;
}

std::optional<Document> read_policy_test(DocumentHead head, Fields& document) {
  PolicyTest result;
  result.head = std::move(head);
  Report& report = document.report();
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", report);
  const std::string home = spec.required_text("namespace", "the namespace whose workload is asked about");
  if (const auto path = parse_namespace_path(home)) {
    result.workload_namespace = *path;
  } else if (!home.empty()) {
    report.problem(*spec.find("namespace"), "spec.namespace", path.error().message, "a namespace");
  }
  result.allow = read_destinations(spec, "allow");
  result.deny = read_destinations(spec, "deny");
  if (!spec.has("allow") && !spec.has("deny"))
    report.problem(*spec_node, "spec", "asks about nothing", "allow or deny with at least one destination");
  spec.finish();
  return result;
}

}  // namespace egress
