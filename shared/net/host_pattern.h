// What policy writes where a host belongs (policy.md section 2): an exact name, "*.s" (exactly one more label), "**.s"
// (one or more), a CIDR, or a regular expression. Matching of many patterns at once is the name index's work
// (compile/name_index.h); this file defines one pattern, its meaning and its coverage.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/net/cidr.h"

namespace egress {

enum class HostPatternKind : std::uint8_t {
  kExact = 0,      // text is the name
  kOneLabel = 1,   // "*.text"
  kAnyLabels = 2,  // "**.text"
  kRegex = 3,      // text is an RE2 expression, searched unanchored in the canonical name
  kCidr = 4,       // cidr; matches addresses, never names
};

struct HostPattern {
  HostPatternKind kind = HostPatternKind::kExact;
  std::string text;  // canonical; for wildcards the suffix without its stars
  Cidr cidr{};       // kCidr only

  friend bool operator==(const HostPattern&, const HostPattern&) = default;
};

struct ParsedHostPattern {
  HostPattern pattern;
  bool masked = false;  // a CIDR whose host bits were cleared
};

// A domain-list entry: a name, a wildcard, an address or a CIDR. '*' elsewhere, an empty label and "*." are refused.
Expected<ParsedHostPattern> parse_host_pattern(std::string_view text);

// As it would be written: "*.openai.com", "10.0.0.0/8". A lone address keeps no "/32".
std::string format_host_pattern(const HostPattern& pattern);

// True if `name` (canonical) matches. Regexes are the name index's to judge: asserts that the pattern is not one.
bool matches(const HostPattern& pattern, std::string_view name);

// True if everything `child` matches is provably matched by `parent`.
bool covers(const HostPattern& parent, const HostPattern& child);

}  // namespace egress
