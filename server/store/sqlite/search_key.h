// Host patterns as texts whose order makes coverage a range: a name has its labels reversed, so that everything below
// "example.com" stands together, and within one name the exact form comes first, then "*.", then "**.". CIDRs are in
// the order of their addresses, of equal ones the wider first. What a pattern covers is then one key, or a range of
// keys behind the first one that it covers.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/net/host_pattern.h"

namespace egress::server {

// "api.example.com" -> "com.example.api.!", "10.0.0.0/8" -> ":40a00000008". Stored: never to be changed but by a
// schema step that makes all keys anew.
std::string search_key(const HostPattern& pattern);

// What search_key() was made of; kCorrupt if it is none.
Expected<HostPattern> parse_search_key(std::string_view key);

// What a list of patterns covers, asked in the order of keys.
class KeyCoverage {
 public:
  explicit KeyCoverage(const std::vector<HostPattern>& patterns);

  // If the pattern, whose key is given too, is covered: a key up to which every further one is covered as well.
  // O(labels · log patterns).
  std::optional<std::string> covered_until(const HostPattern& pattern, std::string_view key) const;

 private:
  std::set<std::string, std::less<>> same_;         // keys that cover themselves alone
  std::set<std::string, std::less<>> one_label_;    // suffixes of "*."
  std::set<std::string, std::less<>> any_labels_;   // suffixes of "**.", reversed: "com.example."
  std::map<std::string, Cidr, std::less<>> cidrs_;  // by key; none within another
};

}  // namespace egress::server
