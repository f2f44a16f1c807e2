#include "shared/policy/workload.h"

#include <algorithm>

#include "shared/base/ascii.h"
#include "shared/base/limits.h"

namespace egress {
namespace {

bool is_label_side(std::string_view text, std::string_view forbidden) {
  return text.size() <= kMaxLabelBytes && text.find_first_of(forbidden) == std::string_view::npos &&
         !has_control_characters(text);
}

}  // namespace

bool is_workload_name(std::string_view text) { return !text.empty() && is_workload_target(text); }

bool is_workload_target(std::string_view text) {
  return text.size() <= kMaxWorkloadNameBytes && !has_control_characters(text) &&
         text.find(' ') == std::string_view::npos;
}

bool is_label(std::string_view key, std::string_view value) {
  return !key.empty() && is_label_side(key, "=,") && is_label_side(value, ",");
}

Expected<std::map<std::string, std::string>> parse_labels(std::string_view text) {
  std::map<std::string, std::string> labels;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return fail(ErrorCode::kInvalidArgument,
                  "\"" + std::string(pair.substr(0, 64)) + "\" is not a label: expected key=value");
    }
    if (equals > kMaxLabelBytes || pair.size() - equals - 1 > kMaxLabelBytes) {
      return fail(ErrorCode::kTooLarge,
                  "label \"" + std::string(pair.substr(0, 64)) + "\" is longer than 255 bytes a side");
    }
    if (!labels.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      return fail(ErrorCode::kInvalidArgument, "label \"" + std::string(pair.substr(0, equals)) + "\" is given twice");
    }
    if (labels.size() > kMaxLabels) return fail(ErrorCode::kTooLarge, "more than 64 labels");
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return fail(ErrorCode::kInvalidArgument, "labels end with a comma: expected key=value after it");
  }
  return labels;
}

bool matches(const WorkloadMatch& match, const Workload& workload) {
  for (const SelectorTerm& term : match.terms) {
    const auto label = workload.labels.find(term.key);
    const bool exists = label != workload.labels.end();
    const auto listed = [&] {
      return exists && std::find(term.values.begin(), term.values.end(), label->second) != term.values.end();
    };
    switch (term.op) {
      case SelectorOperator::kIn:
        if (!listed()) return false;
        break;
      case SelectorOperator::kNotIn:
        if (listed()) return false;
        break;
      case SelectorOperator::kExists:
        if (!exists) return false;
        break;
      case SelectorOperator::kDoesNotExist:
        if (exists) return false;
        break;
    }
  }
  return !match.target_path_glob || matches_glob(*match.target_path_glob, workload.target);
}

bool matches_glob(std::string_view glob, std::string_view text) {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // where to resume after the last '*'
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = ++g;
      star_text = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos && text[star_text] != '/') {
      g = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace egress
