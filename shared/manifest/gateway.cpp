// EgressGateway, EgressL4Route and EgressDenyPolicy (seed 001).
#include "shared/manifest/document_readers.h"
#include "shared/manifest/rule_fields.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

constexpr std::string_view kGroup = "clrk.apoxy.dev";

std::optional<ListenerProtocol> find_listener_protocol(std::string_view name) {
  if (name == "TCP") return ListenerProtocol::kTcp;
  if (name == "TLS") return ListenerProtocol::kTls;
  if (name == "HTTP") return ListenerProtocol::kHttp;
  if (name == "HTTPS") return ListenerProtocol::kHttps;
  if (name == "UDP") return ListenerProtocol::kUdp;
  return std::nullopt;
}

std::optional<bool> find_default_policy(std::string_view name) {
  if (name == "allow-all") return true;
  if (name == "deny-all") return false;
  return std::nullopt;
}

Listener read_listener(const Node& node, const std::string& path, Report& report) {
  Fields fields(node, path, report);
  Listener listener;
  listener.name = fields.required_text("name", "the listener's name");
  fields.require("protocol", "TCP, TLS, HTTP, HTTPS or UDP");
  const auto protocol =
      read_choice<ListenerProtocol>(fields, "protocol", find_listener_protocol, "TCP, TLS, HTTP, HTTPS or UDP");
  if (protocol) listener.protocol = *protocol;
  if (const auto port = fields.integer("port", 1, 65535)) listener.port = static_cast<std::uint16_t>(*port);
  if (const Node* tls_node = fields.find("tls")) {
    Fields tls(*tls_node, fields.path_of("tls"), report);
    const auto mode = tls.text("mode");
    if (mode && *mode == "Terminate") {
      report.warning(*tls.find("mode"), tls.path_of("mode"),
                     "Terminate is accepted, but TLS is not terminated: destinations are judged, not requests");
    } else if (mode && *mode != "Passthrough") {
      report.problem(*tls.find("mode"), tls.path_of("mode"), "\"" + *mode + "\" is unknown",
                     "Terminate or Passthrough");
    }
    tls.unenforced("certificateRefs", "is accepted but not used: TLS is not terminated");
    tls.finish();
  }
  fields.finish();
  return listener;
}

// Checks {group?, kind?} of a reference.
void check_reference(Fields& fields, std::string_view kind) {
  const auto group = fields.text("group");
  if (group && *group != kGroup) {
    fields.report().problem(*fields.find("group"), fields.path_of("group"), "\"" + *group + "\" is unknown",
                            std::string(kGroup));
  }
  const auto written = fields.text("kind");
  if (written && *written != kind) {
    fields.report().problem(*fields.find("kind"), fields.path_of("kind"),
                            "\"" + *written + "\" cannot be referred to here", std::string(kind));
  }
}

ParentRef read_parent(const Node& node, const std::string& path, const std::string& own_namespace, Report& report) {
  Fields fields(node, path, report);
  check_reference(fields, "EgressGateway");
  ParentRef parent;
  parent.line = node.line;
  parent.column = node.column;
  parent.path = path;
  parent.gateway = fields.required_text("name", "a gateway's name");
  parent.namespace_path = own_namespace;
  if (const auto home = fields.text("namespace")) {
    if (const auto parsed = parse_namespace_path(*home)) {
      parent.namespace_path = *parsed;
    } else {
      report.problem(*fields.find("namespace"), fields.path_of("namespace"), parsed.error().message, "a namespace");
    }
  }
  parent.section_name = fields.text("sectionName");
  fields.finish();
  return parent;
}

void add_hosts(Fields& fields, Rule& rule) {
  const std::vector<Node>* items = fields.filled_list("destinationHostnames", "host names");
  if (items == nullptr) return;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string path = element_path(fields.path_of("destinationHostnames"), i);
    auto pattern = read_host_pattern((*items)[i], path, fields.report());
    if (!pattern) continue;
    if (pattern->kind == HostPatternKind::kCidr) {
      fields.report().problem((*items)[i], path, (*items)[i].scalar + " is an address, not a host name",
                              "destinationCIDRs for addresses");
    } else {
      rule.hosts.push_back(*std::move(pattern));
    }
  }
}

std::vector<SelectorTerm> read_source_agents(Fields& fields) {
  const Node* selector = fields.find("sourceAgents");
  if (selector == nullptr) return {};
  return read_selector(*selector, fields.path_of("sourceAgents"), fields.report());
}

Rule read_match(const Node& node, const std::string& path, const std::string& document,
                const std::vector<SelectorTerm>& rule_agents, Report& report) {
  Fields fields(node, path, report);
  Rule rule;
  rule.name = path;
  rule.document = document;
  rule.line = static_cast<std::uint32_t>(node.line);
  add_hosts(fields, rule);
  for (const Cidr& cidr : read_cidrs(fields, "destinationCIDRs")) rule.cidrs.push_back({cidr, {}});
  rule.ports = read_ports(fields, "ports");
  rule.protocol = read_protocol(fields, "protocol");
  std::vector<SelectorTerm> terms = read_source_agents(fields);
  terms.insert(terms.end(), rule_agents.begin(), rule_agents.end());
  if (!terms.empty()) rule.workloads = WorkloadMatch{std::move(terms), std::nullopt};
  fields.finish();
  const bool says_nothing =
      rule.hosts.empty() && rule.cidrs.empty() && rule.ports.empty() && !rule.protocol && !rule.workloads;
  if (says_nothing && node.kind == Node::Kind::kMapping && node.entries.empty()) {
    report.problem(node, path, "has no field, which would match everything",
                   "destinationHostnames, destinationCIDRs, ports or protocol");
  }
  return rule;
}

}  // namespace

std::optional<Document> read_egress_gateway(DocumentHead head, Fields& document) {
  EgressGateway gateway;
  gateway.head = std::move(head);
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", document.report());
  gateway.allow_all =
      read_choice<bool>(spec, "defaultPolicy", find_default_policy, "deny-all or allow-all").value_or(false);
  spec.require("listeners", "at least one listener");
  if (const std::vector<Node>* listeners = spec.filled_list("listeners", "listeners")) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < listeners->size(); ++i) {
      const std::string path = element_path("spec.listeners", i);
      Listener listener = read_listener((*listeners)[i], path, document.report());
      if (!names.insert(listener.name).second) {
        document.report().problem((*listeners)[i], path + ".name", "\"" + listener.name + "\" is given twice",
                                  "each listener name once");
      }
      gateway.listeners.push_back(std::move(listener));
    }
  }
  spec.finish();
  return gateway;
}

std::optional<Document> read_egress_l4_route(DocumentHead head, Fields& document) {
  EgressL4Route route;
  route.head = std::move(head);
  Report& report = document.report();
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", report);
  spec.require("parentRefs", "at least one gateway");
  if (const std::vector<Node>* parents = spec.filled_list("parentRefs", "gateways")) {
    for (std::size_t i = 0; i < parents->size(); ++i) {
      route.parents.push_back(
          read_parent((*parents)[i], element_path("spec.parentRefs", i), route.head.namespace_path, report));
    }
  }
  const std::vector<SelectorTerm> spec_agents = read_source_agents(spec);
  spec.require("rules", "at least one rule");
  if (const std::vector<Node>* rules = spec.filled_list("rules", "rules")) {
    for (std::size_t i = 0; i < rules->size(); ++i) {
      Fields rule((*rules)[i], element_path("spec.rules", i), report);
      std::vector<SelectorTerm> agents = read_source_agents(rule);
      agents.insert(agents.end(), spec_agents.begin(), spec_agents.end());
      rule.require("matches", "at least one match");
      if (const std::vector<Node>* matches = rule.filled_list("matches", "matches")) {
        for (std::size_t m = 0; m < matches->size(); ++m) {
          route.matches.push_back(
              read_match((*matches)[m], element_path(rule.path_of("matches"), m), cite(route.head), agents, report));
        }
      }
      rule.finish();
    }
  }
  spec.finish();
  return route;
}

std::optional<Document> read_egress_deny_policy(DocumentHead head, Fields& document) {
  constexpr std::size_t kMaxMessageBytes = 1024;
  EgressDenyPolicy policy;
  policy.head = std::move(head);
  Report& report = document.report();
  const Node* spec_node = document.require("spec", "a mapping");
  if (spec_node == nullptr) return std::nullopt;
  Fields spec(*spec_node, "spec", report);
  if (const Node* target_node = spec.require("targetRef", "the EgressL4Route to invert")) {
    Fields target(*target_node, "spec.targetRef", report);
    check_reference(target, "EgressL4Route");
    policy.route = target.required_text("name", "a route's name");
    policy.line = target_node->line;
    policy.column = target_node->column;
    target.finish();
  }
  if (const Node* response_node = spec.find("denyResponse")) {
    Fields response(*response_node, "spec.denyResponse", report);
    DenyResponse answer;
    answer.status_code = static_cast<std::uint16_t>(response.integer("statusCode", 400, 599).value_or(403));
    answer.message = response.text("message").value_or("");
    if (answer.message.size() > kMaxMessageBytes)
      report.problem(*response.find("message"), "spec.denyResponse.message", "is too long", "at most 1024 bytes");
    response.finish();
    policy.response = std::move(answer);
  }
  spec.finish();
  return policy;
}

}  // namespace egress
