// From a canonical host name to the host rules it matches: exact names, "*.s", "**.s" and regular expressions of a
// whole stack at once. Large and the agent's alone: processes see only its verdicts, as labels of bindings. Immutable
// after build(), safe to read from many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/base/error.h"
#include "shared/evaluate/connect_table.h"
#include "shared/net/host_pattern.h"

namespace re2 {
class RE2;
}

namespace egress {

// What the regular expressions of one stack may cost together. Past it, linking fails, or a name cannot be judged.
inline constexpr std::int64_t kRegexMemoryBytes = 64 << 20;

class NameIndex {
 public:
  explicit NameIndex(std::int64_t regex_memory_bytes = kRegexMemoryBytes);
  NameIndex(NameIndex&&) noexcept;
  NameIndex& operator=(NameIndex&&) noexcept;
  ~NameIndex();

  // `pattern` must not be kCidr. kInvalidArgument for a regex that RE2 refuses.
  Expected<void> add(HostPatternKind kind, std::string_view text, RuleRef rule);

  // Must be called once, after the last add(). kTooLarge if the regexes exceed RE2's memory budget.
  Expected<void> build();

  // The host rules that match `name` (canonical), ordered by clause, then rule, without repeats. kUnavailable if a
  // regex cannot be judged (RE2 out of memory): the caller fails closed. O(labels + matches) and RE2's own cost.
  Expected<std::vector<RuleRef>> find(std::string_view name) const;

 private:
  using RuleRefs = std::vector<RuleRef>;
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Table = std::unordered_map<std::string, RuleRefs, StringHash, std::equal_to<>>;
  struct Regexes;

  std::int64_t regex_memory_bytes_;
  Table exact_;
  Table one_label_;   // keyed by the suffix
  Table any_labels_;  // keyed by the suffix
  std::unique_ptr<Regexes> regexes_;
};

}  // namespace egress
