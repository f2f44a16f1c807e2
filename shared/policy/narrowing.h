// "Children may only narrow" (policy.md section 6) as pure functions over allow-lists. A list that is absent (nullopt)
// inherits; an empty one allows nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/net/host_pattern.h"

namespace egress {

struct DomainEntry {
  HostPattern pattern;
  std::string reason;
  std::optional<UnixMillis> expires_at_ms;
  friend bool operator==(const DomainEntry&, const DomainEntry&) = default;
};

// Whether it has not expired.
inline bool is_live(const DomainEntry& entry, UnixMillis now_ms) {
  return !entry.expires_at_ms || *entry.expires_at_ms > now_ms;
}

using AllowList = std::optional<std::vector<DomainEntry>>;

// Whether an unexpired entry of `parent` covers `pattern`. O(|parent|).
bool is_covered(const std::vector<DomainEntry>& parent, const HostPattern& pattern, UnixMillis now_ms);

// The entries of `child` that no unexpired entry of `parent` covers, in order, as written. Expired child entries allow
// nothing and are never reported. An absent list on either side yields none. O(|child| + |parent|) but for the parent's
// CIDRs, which are compared one by one.
std::vector<std::string> find_uncovered(const AllowList& parent, const AllowList& child, UnixMillis now_ms);

}  // namespace egress
