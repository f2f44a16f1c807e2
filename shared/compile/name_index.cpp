#include "shared/compile/name_index.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <cassert>

#include "shared/base/limits.h"

namespace egress {
namespace {

RE2::Options regex_options(std::int64_t memory_bytes) {
  RE2::Options options;
  options.set_max_mem(memory_bytes);
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);  // canonical names are ASCII
  return options;
}

}  // namespace

struct NameIndex::Regexes {
  explicit Regexes(std::int64_t memory_bytes) : set(regex_options(memory_bytes), RE2::UNANCHORED) {}

  RE2::Set set;
  std::vector<RuleRef> rules;  // parallel to the set's indices
  bool built = false;
};

NameIndex::NameIndex(std::int64_t regex_memory_bytes) : regex_memory_bytes_(regex_memory_bytes) {}
NameIndex::NameIndex(NameIndex&&) noexcept = default;
NameIndex& NameIndex::operator=(NameIndex&&) noexcept = default;
NameIndex::~NameIndex() = default;

Expected<void> NameIndex::add(HostPatternKind kind, std::string_view text, RuleRef rule) {
  const auto insert = [&](Table& table) {
    auto found = table.find(text);
    if (found == table.end()) found = table.emplace(text, RuleRefs{}).first;
    found->second.push_back(rule);
  };
  switch (kind) {
    case HostPatternKind::kExact:
      insert(exact_);
      return {};
    case HostPatternKind::kOneLabel:
      insert(one_label_);
      return {};
    case HostPatternKind::kAnyLabels:
      insert(any_labels_);
      return {};
    case HostPatternKind::kRegex:
      break;
    case HostPatternKind::kCidr:
      assert(!"a CIDR is not a name pattern");
      return {};
  }
  if (!regexes_) regexes_ = std::make_unique<Regexes>(regex_memory_bytes_);
  std::string error;
  if (regexes_->set.Add(re2::StringPiece(text.data(), text.size()), &error) < 0) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a regular expression: " + error);
  }
  regexes_->rules.push_back(rule);
  return {};
}

Expected<void> NameIndex::build() {
  if (!regexes_) return {};
  if (!regexes_->set.Compile()) {
    return fail(ErrorCode::kTooLarge, "the policy's regular expressions need more than " +
                                          std::to_string(regex_memory_bytes_ >> 20) + " MiB together");
  }
  regexes_->built = true;
  return {};
}

Expected<std::vector<RuleRef>> NameIndex::find(std::string_view name) const {
  std::vector<RuleRef> found;
  const auto take = [&](const Table& table, std::string_view key) {
    if (const auto entry = table.find(key); entry != table.end()) {
      found.insert(found.end(), entry->second.begin(), entry->second.end());
    }
  };
  take(exact_, name);
  std::string_view suffix = name;
  for (bool first = true;; first = false) {
    const std::size_t dot = suffix.find('.');
    if (dot == std::string_view::npos) break;
    suffix.remove_prefix(dot + 1);
    if (first) take(one_label_, suffix);
    take(any_labels_, suffix);
  }
  if (regexes_) {
    assert(regexes_->built);
    std::vector<int> indices;
    RE2::Set::ErrorInfo error{};
    const re2::StringPiece text(name.data(), name.size());
    if (!regexes_->set.Match(text, &indices, &error) && error.kind != RE2::Set::kNoError) {
      return fail(ErrorCode::kUnavailable,
                  "\"" + std::string(name) + "\" cannot be judged: the regular expressions ran out of memory");
    }
    for (const int index : indices) found.push_back(regexes_->rules[static_cast<std::size_t>(index)]);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace egress
