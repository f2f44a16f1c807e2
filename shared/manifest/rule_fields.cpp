#include "shared/manifest/rule_fields.h"

#include <re2/re2.h>

#include "shared/base/limits.h"
#include "shared/base/time_text.h"

namespace egress {

std::optional<Cidr> read_cidr(const Node& node, const std::string& path, Report& report) {
  constexpr const char* kExpected = "a CIDR such as 10.0.0.0/8 or 2001:db8::/32";
  if (!is_text(node)) {
    report.problem(node, path, "is not a string", kExpected);
    return std::nullopt;
  }
  const auto parsed = parse_cidr(node.scalar);
  if (!parsed) {
    report.problem(node, path, parsed.error().message, kExpected);
    return std::nullopt;
  }
  if (parsed->masked) {
    report.warning(node, path, "host bits are set in " + node.scalar + ": read as " + format_cidr(parsed->cidr));
  }
  return parsed->cidr;
}

std::vector<Cidr> read_cidrs(Fields& fields, std::string_view key) {
  std::vector<Cidr> cidrs;
  const std::vector<Node>* items = fields.filled_list(key, "CIDRs");
  if (items == nullptr) return cidrs;
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (const auto cidr = read_cidr((*items)[i], element_path(fields.path_of(key), i), fields.report())) {
      cidrs.push_back(*cidr);
    }
  }
  return cidrs;
}

std::optional<Transport> read_protocol(Fields& fields, std::string_view key) {
  const auto find_protocol = +[](std::string_view name) -> std::optional<Transport> {
    if (name == "TCP") return Transport::kTcp;
    if (name == "UDP") return Transport::kUdp;
    return std::nullopt;
  };
  return read_choice<Transport>(fields, key, find_protocol, "TCP or UDP");
}

namespace {

std::optional<PortMatch> read_port(const Node& node, const std::string& path, Report& report) {
  Fields fields(node, path, report);
  PortMatch match;
  match.protocol = read_protocol(fields, "protocol");
  const auto port = fields.integer("port", 1, 65535);
  const auto first = fields.integer("startPort", 1, 65535);
  const auto last = fields.integer("endPort", 1, 65535);
  const bool has_range = fields.has("startPort") || fields.has("endPort");
  fields.finish();
  if (fields.has("port") && has_range) {
    report.problem(node, path, "has both port and a range", "port, or startPort and endPort");
    return std::nullopt;
  }
  if (!fields.has("port") && !has_range) {
    if (node.kind == Node::Kind::kMapping)
      report.problem(node, path, "names no port", "port, or startPort and endPort");
    return std::nullopt;
  }
  if (has_range && fields.has("startPort") != fields.has("endPort")) {
    report.problem(node, fields.path_of(fields.has("startPort") ? "endPort" : "startPort"), "is missing",
                   "both ends of a port range");
    return std::nullopt;
  }
  if (port) {
    match.range = {static_cast<std::uint16_t>(*port), static_cast<std::uint16_t>(*port)};
    return match;
  }
  if (!first || !last) return std::nullopt;
  if (*first > *last) {
    report.problem(*fields.find("endPort"), fields.path_of("endPort"),
                   std::to_string(*last) + " is below startPort " + std::to_string(*first), "startPort <= endPort");
    return std::nullopt;
  }
  match.range = {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
  return match;
}

}  // namespace

std::vector<PortMatch> read_ports(Fields& fields, std::string_view key) {
  std::vector<PortMatch> ports;
  const std::vector<Node>* items = fields.filled_list(key, "ports");
  if (items == nullptr) return ports;
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (const auto port = read_port((*items)[i], element_path(fields.path_of(key), i), fields.report())) {
      ports.push_back(*port);
    }
  }
  return ports;
}

std::optional<HostPattern> read_host_pattern(const Node& node, const std::string& path, Report& report) {
  constexpr const char* kExpected = "a name, \"*.name\", \"**.name\", an address or a CIDR";
  if (!is_text(node)) {
    report.problem(node, path, "is not a string", kExpected);
    return std::nullopt;
  }
  const auto parsed = parse_host_pattern(node.scalar);
  if (!parsed) {
    report.problem(node, path, parsed.error().message, kExpected);
    return std::nullopt;
  }
  if (parsed->masked) {
    report.warning(node, path,
                   "host bits are set in " + node.scalar + ": read as " + format_host_pattern(parsed->pattern));
  }
  return parsed->pattern;
}

std::optional<HostPattern> read_regex(const Node& node, const std::string& path, Report& report) {
  constexpr const char* kExpected = "an RE2 regular expression of at most 1024 bytes";
  if (!is_text(node) || node.scalar.empty() || node.scalar.size() > kMaxRegexBytes) {
    report.problem(node, path, "is not a regular expression", kExpected);
    return std::nullopt;
  }
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 regex(node.scalar, options);
  if (!regex.ok()) {
    report.problem(node, path, "\"" + node.scalar + "\": " + regex.error(), kExpected);
    return std::nullopt;
  }
  return HostPattern{HostPatternKind::kRegex, node.scalar, {}};
}

namespace {

bool read_label_text(const Node& node, const std::string& path, Report& report, std::string& text) {
  if (!is_text(node) || node.scalar.size() > kMaxLabelBytes) {
    report.problem(node, path, "is not a label's text", "a string of at most 255 bytes");
    return false;
  }
  text = node.scalar;
  return true;
}

std::optional<SelectorOperator> find_operator(std::string_view name) {
  if (name == "In") return SelectorOperator::kIn;
  if (name == "NotIn") return SelectorOperator::kNotIn;
  if (name == "Exists") return SelectorOperator::kExists;
  if (name == "DoesNotExist") return SelectorOperator::kDoesNotExist;
  return std::nullopt;
}

std::optional<SelectorTerm> read_expression(const Node& node, const std::string& path, Report& report) {
  Fields fields(node, path, report);
  SelectorTerm term;
  term.key = fields.required_text("key", "a label's key");
  const auto op = read_choice<SelectorOperator>(fields, "operator", find_operator, "In, NotIn, Exists or DoesNotExist");
  if (!op) fields.require("operator", "In, NotIn, Exists or DoesNotExist");
  const bool takes_values = op == SelectorOperator::kIn || op == SelectorOperator::kNotIn;
  if (op && !takes_values) {
    const std::vector<Node>* none = fields.list("values", "strings");
    if (none != nullptr && !none->empty()) {
      report.problem(*fields.find("values"), fields.path_of("values"), "has no meaning with this operator",
                     "no values");
    }
  } else if (op) {
    fields.require("values", "at least one value");
    if (const std::vector<Node>* values = fields.filled_list("values", "values")) {
      for (std::size_t i = 0; i < values->size(); ++i) {
        std::string value;
        if (read_label_text((*values)[i], element_path(fields.path_of("values"), i), report, value))
          term.values.push_back(value);
      }
    }
  } else {
    fields.find("values");
  }
  fields.finish();
  if (!op) return std::nullopt;
  term.op = *op;
  return term;
}

}  // namespace

std::vector<SelectorTerm> read_selector(const Node& node, const std::string& path, Report& report) {
  Fields fields(node, path, report);
  std::vector<SelectorTerm> terms;
  if (const Node* labels = fields.find("matchLabels")) {
    Fields pairs(*labels, fields.path_of("matchLabels"), report);
    for (const auto& [key, value] : labels->entries) {
      SelectorTerm term;
      term.key = key.scalar;
      term.values.resize(1);
      if (read_label_text(value, pairs.path_of(key.scalar), report, term.values[0])) terms.push_back(std::move(term));
    }
  }
  if (const std::vector<Node>* expressions = fields.filled_list("matchExpressions", "expressions")) {
    for (std::size_t i = 0; i < expressions->size(); ++i) {
      auto term = read_expression((*expressions)[i], element_path(fields.path_of("matchExpressions"), i), report);
      if (term) terms.push_back(*std::move(term));
    }
  }
  fields.finish();
  if (terms.empty())
    report.problem(node, path, "selects by nothing", "matchLabels or matchExpressions with at least one term");
  if (terms.size() > kMaxLabels) report.problem(node, path, "has more than 64 terms", "at most 64");
  return terms;
}

std::optional<UnixMillis> read_time(Fields& fields, std::string_view key) {
  const auto text = fields.text(key);
  if (!text) return std::nullopt;
  const auto time = parse_time(*text);
  if (!time) {
    fields.report().problem(*fields.find(key), fields.path_of(key), time.error().message, "an RFC 3339 time");
    return std::nullopt;
  }
  return *time;
}

std::vector<DomainEntry> read_domain_entries(const std::vector<Node>& items, const std::string& path, Report& report) {
  std::vector<DomainEntry> entries;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string at = element_path(path, i);
    DomainEntry entry;
    std::optional<HostPattern> pattern;
    if (items[i].kind == Node::Kind::kMapping) {
      Fields fields(items[i], at, report);
      if (const Node* domain = fields.require("domain", "a domain")) {
        pattern = read_host_pattern(*domain, fields.path_of("domain"), report);
      }
      entry.reason = fields.text("reason").value_or("");
      entry.expires_at_ms = read_time(fields, "expires_at");
      fields.finish();
    } else {
      pattern = read_host_pattern(items[i], at, report);
    }
    if (!pattern) continue;
    entry.pattern = *pattern;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace egress
