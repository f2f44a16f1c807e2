// MirrordPolicy and MirrordClusterPolicy (seed 000): spec.network.outgoing is enforced, everything else a mirrord
// policy may say is accepted with a warning.
#include "shared/manifest/document_readers.h"
#include "shared/manifest/rule_fields.h"

namespace egress {
namespace {

std::optional<Rule> read_rule(const Node& node, const std::string& path, Action action, const std::string& document,
                              Report& report) {
  Fields fields(node, path, report);
  Rule rule;
  rule.action = action;
  rule.name = path;
  rule.document = document;
  rule.line = static_cast<std::uint32_t>(node.line);
  if (const Node* block = fields.find("ipBlock")) {
    Fields parts(*block, fields.path_of("ipBlock"), report);
    CidrMatch match;
    if (const Node* cidr = parts.require("cidr", "a CIDR")) {
      if (const auto parsed = read_cidr(*cidr, parts.path_of("cidr"), report)) match.cidr = *parsed;
    }
    match.except = read_cidrs(parts, "except");
    parts.finish();
    rule.cidrs.push_back(std::move(match));
  }
  if (const Node* hostname = fields.find("hostname")) {
    if (auto pattern = read_regex(*hostname, fields.path_of("hostname"), report))
      rule.hosts.push_back(*std::move(pattern));
  }
  rule.ports = read_ports(fields, "ports");
  fields.finish();
  if (node.kind == Node::Kind::kMapping && node.entries.empty()) {
    report.problem(node, path, "has no field, which would match everything", "ipBlock, hostname or ports");
  }
  for (const char* field : {"ipBlock", "hostname", "ports"}) {
    if (fields.has(field) && fields.find(field) == nullptr && std::string_view(field) != "ports") {
      report.problem(node, fields.path_of(field), "is null, which would match everything", "a value, or no such field");
    }
  }
  return rule;
}

void read_rules(Fields& outgoing, std::string_view key, Action action, MirrordPolicy& policy) {
  const std::vector<Node>* items = outgoing.list(key, "rules");
  if (items == nullptr) return;
  for (std::size_t i = 0; i < items->size(); ++i) {
    auto rule =
        read_rule((*items)[i], element_path(outgoing.path_of(key), i), action, cite(policy.head), outgoing.report());
    if (rule) policy.rules.push_back(*std::move(rule));
  }
}

}  // namespace

std::optional<Document> read_mirrord_policy(DocumentHead head, Fields& document) {
  constexpr const char* kNotEnforced = "is accepted but not enforced: egress judges outgoing connections only";
  MirrordPolicy policy;
  policy.head = std::move(head);
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", document.report());
  for (const char* field : {"block", "env", "fs", "applyProfiles", "requireProfile", "profileAllowlist"}) {
    spec.unenforced(field, kNotEnforced);
  }
  WorkloadMatch applies_to;
  if (const Node* selector = spec.find("selector")) {
    applies_to.terms = read_selector(*selector, "spec.selector", document.report());
  }
  applies_to.target_path_glob = spec.text("targetPath");
  if (!applies_to.terms.empty() || applies_to.target_path_glob) policy.applies_to = std::move(applies_to);
  if (const Node* network_node = spec.find("network")) {
    Fields network(*network_node, "spec.network", document.report());
    network.unenforced("incoming", kNotEnforced);
    if (const Node* outgoing_node = network.find("outgoing")) {
      Fields outgoing(*outgoing_node, "spec.network.outgoing", document.report());
      read_rules(outgoing, "allow", Action::kAllow, policy);
      read_rules(outgoing, "block", Action::kDeny, policy);
      outgoing.finish();
    }
    network.finish();
  }
  spec.finish();
  return policy;
}

}  // namespace egress
