#include "shared/policy/narrowing.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace egress {
namespace {

bool is_live(const DomainEntry& entry, UnixMillis now_ms) {
  return !entry.expires_at_ms || *entry.expires_at_ms > now_ms;
}

}  // namespace

bool is_covered(const std::vector<DomainEntry>& parent, const HostPattern& pattern, UnixMillis now_ms) {
  return std::any_of(parent.begin(), parent.end(), [&](const DomainEntry& entry) {
    return is_live(entry, now_ms) && covers(entry.pattern, pattern);
  });
}

std::vector<std::string> find_uncovered(const AllowList& parent, const AllowList& child, UnixMillis now_ms) {
  std::vector<std::string> uncovered;
  if (!parent || !child) return uncovered;
  std::unordered_set<std::string_view> exact;
  std::vector<DomainEntry> others;
  for (const DomainEntry& entry : *parent) {
    if (!is_live(entry, now_ms)) continue;
    if (entry.pattern.kind == HostPatternKind::kExact) {
      exact.insert(entry.pattern.text);
    } else {
      others.push_back(entry);
    }
  }
  for (const DomainEntry& entry : *child) {
    if (!is_live(entry, now_ms)) continue;
    if (entry.pattern.kind == HostPatternKind::kExact && exact.contains(entry.pattern.text)) continue;
    if (!is_covered(others, entry.pattern, now_ms)) uncovered.push_back(format_host_pattern(entry.pattern));
  }
  return uncovered;
}

}  // namespace egress
