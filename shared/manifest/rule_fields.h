// The parts that several kinds of document share: CIDRs, ports, protocols, host patterns, selectors. Each reads one
// node, reports what is wrong with it, and returns what could be read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/manifest/fields.h"
#include "shared/policy/documents.h"

namespace egress {

std::optional<Cidr> read_cidr(const Node& node, const std::string& path, Report& report);
std::vector<Cidr> read_cidrs(Fields& fields, std::string_view key);

// {protocol?, port} or {protocol?, startPort, endPort}.
std::vector<PortMatch> read_ports(Fields& fields, std::string_view key);

// "TCP" or "UDP".
std::optional<Transport> read_protocol(Fields& fields, std::string_view key);

// A domain-list entry: name, wildcard, address or CIDR.
std::optional<HostPattern> read_host_pattern(const Node& node, const std::string& path, Report& report);

// An RE2 expression that compiles.
std::optional<HostPattern> read_regex(const Node& node, const std::string& path, Report& report);

// {matchLabels?, matchExpressions?}, at least one term.
std::vector<SelectorTerm> read_selector(const Node& node, const std::string& path, Report& report);

// Entries of allowed_domains and blocked_domains: strings or {domain, reason?, expires_at?}.
std::vector<DomainEntry> read_domain_entries(const std::vector<Node>& items, const std::string& path, Report& report);

std::optional<UnixMillis> read_time(Fields& fields, std::string_view key);

// One of a closed set of words.
template <typename Enum>
std::optional<Enum> read_choice(Fields& fields, std::string_view key,
                                std::optional<Enum> (*find_value)(std::string_view), std::string_view expected) {
  const auto name = fields.text(key);
  if (!name) return std::nullopt;
  const auto value = find_value(*name);
  if (!value)
    fields.report().problem(*fields.find(key), fields.path_of(key), "\"" + *name + "\" is unknown",
                            std::string(expected));
  return value;
}

}  // namespace egress
