#include "shared/policy/narrowing.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace egress {
namespace {

// A list's live patterns, by what can be looked up: only CIDRs and regular expressions are compared one by one.
class Coverage {
 public:
  Coverage(const std::vector<DomainEntry>& list, UnixMillis now_ms) {
    for (const DomainEntry& entry : list) {
      if (!is_live(entry, now_ms)) continue;
      switch (entry.pattern.kind) {
        case HostPatternKind::kExact:
          exact_.insert(entry.pattern.text);
          break;
        case HostPatternKind::kOneLabel:
          one_label_.insert(entry.pattern.text);
          break;
        case HostPatternKind::kAnyLabels:
          any_labels_.insert(entry.pattern.text);
          break;
        case HostPatternKind::kRegex:
        case HostPatternKind::kCidr:
          others_.push_back(&entry.pattern);
          break;
      }
    }
  }

  bool covers_pattern(const HostPattern& pattern) const {
    const std::string_view text = pattern.text;
    switch (pattern.kind) {
      case HostPatternKind::kExact:
        return exact_.contains(text) || one_label_.contains(parent_of(text)) || is_below_any(parent_of(text));
      case HostPatternKind::kOneLabel:
        return one_label_.contains(text) || is_below_any(text);
      case HostPatternKind::kAnyLabels:
        return is_below_any(text);
      case HostPatternKind::kRegex:
      case HostPatternKind::kCidr:
        break;
    }
    return std::any_of(others_.begin(), others_.end(), [&](const HostPattern* by) { return covers(*by, pattern); });
  }

 private:
  // Without the first label; empty, which no pattern has, at the end.
  static std::string_view parent_of(std::string_view name) {
    const auto dot = name.find('.');
    return dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  // Whether "**." stands before `suffix` or what it is below.
  bool is_below_any(std::string_view suffix) const {
    for (; !suffix.empty(); suffix = parent_of(suffix)) {
      if (any_labels_.contains(suffix)) return true;
    }
    return false;
  }

  std::unordered_set<std::string_view> exact_;
  std::unordered_set<std::string_view> one_label_;
  std::unordered_set<std::string_view> any_labels_;
  std::vector<const HostPattern*> others_;
};

}  // namespace

bool is_covered(const std::vector<DomainEntry>& parent, const HostPattern& pattern, UnixMillis now_ms) {
  return std::any_of(parent.begin(), parent.end(), [&](const DomainEntry& entry) {
    return is_live(entry, now_ms) && covers(entry.pattern, pattern);
  });
}

std::vector<std::string> find_uncovered(const AllowList& parent, const AllowList& child, UnixMillis now_ms) {
  std::vector<std::string> uncovered;
  if (!parent || !child) return uncovered;
  const Coverage coverage(*parent, now_ms);
  for (const DomainEntry& entry : *child) {
    if (!is_live(entry, now_ms) || coverage.covers_pattern(entry.pattern)) continue;
    uncovered.push_back(format_host_pattern(entry.pattern));
  }
  return uncovered;
}

}  // namespace egress
