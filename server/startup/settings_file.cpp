#include "server/startup/settings_file.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "shared/base/regular_file.h"
#include "shared/manifest/node.h"
#include "shared/manifest/problem.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxTypos = 2;
constexpr std::size_t kMaxKeyBytes = 64;

// The edits between two short texts (Levenshtein): O(|a| |b|).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t k = 1; k <= b.size(); ++k) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[k - 1] ? 0 : 1);
      diagonal = row[k];
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

Problem problem_at(const Node& node, std::string path, std::string message, std::string expected) {
  return {1, node.line, node.column, std::move(path), std::move(message), std::move(expected)};
}

// With the nearest known key, or all of them.
Problem unknown_key(const Node& key) {
  std::string all;
  std::string nearest;
  std::size_t least = kMaxTypos + 1;
  for (const SettingOption& option : setting_options()) {
    const std::string known = file_key_of(option);
    all += (all.empty() ? "one of " : ", ") + known;
    const std::size_t distance = key.scalar.size() > kMaxKeyBytes ? least : edit_distance(key.scalar, known);
    if (distance >= least) continue;
    least = distance;
    nearest = known;
  }
  return problem_at(key, key.scalar.substr(0, kMaxKeyBytes), "unknown setting", nearest.empty() ? all : nearest);
}

struct Refused {
  Problem problem;
};

std::vector<std::string> read_values(const SettingOption& option, const std::string& key, const Node& node) {
  if (node.kind == Node::Kind::kScalar) return {node.scalar};
  if (!option.repeatable || node.kind != Node::Kind::kSequence || node.items.empty()) {
    throw Refused{problem_at(node, key, "not what can be set here",
                             option.repeatable ? "a text or a list of texts" : "one value")};
  }
  std::vector<std::string> values;
  for (const Node& item : node.items) {
    if (item.kind != Node::Kind::kScalar) throw Refused{problem_at(item, key, "not a text", "a list of texts")};
    values.push_back(item.scalar);
  }
  return values;
}

void apply(const Node& document, ServerSettings& settings) {
  if (document.kind != Node::Kind::kMapping) {
    throw Refused{problem_at(document, {}, "not a mapping", "settings as \"key: value\", one a line")};
  }
  for (const auto& [key, value] : document.entries) {
    const auto options = setting_options();
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const SettingOption& known) { return file_key_of(known) == key.scalar; });
    if (option == options.end()) throw Refused{unknown_key(key)};
    const auto values = read_values(*option, key.scalar, value);
    if (auto done = option->set(settings, values); !done) {
      throw Refused{problem_at(value, key.scalar, done.error().message, {})};
    }
  }
}

}  // namespace

Expected<void> parse_settings_file(std::string_view text, const std::string& name, ServerSettings& settings) {
  const auto refuse = [&](const Problem& problem) {
    return fail(ErrorCode::kInvalidArgument, render_problem(problem, name, text));
  };
  const ParsedStream stream = parse_stream(text);
  if (!stream.problems.empty()) return refuse(stream.problems.front());
  if (stream.documents.size() > 1) {
    return refuse(problem_at(stream.documents[1], {}, "a second document", "one mapping of settings"));
  }
  ServerSettings changed = settings;
  try {
    if (!stream.documents.empty()) apply(stream.documents.front(), changed);
  } catch (const Refused& refused) {
    return refuse(refused.problem);
  }
  settings = std::move(changed);
  return {};
}

Expected<void> load_settings_file(const std::string& path, ServerSettings& settings) {
  const auto text = read_regular_file(path, kMaxFileBytes);
  if (!text) return fail(ErrorCode::kInvalidArgument, text.error().message);
  return parse_settings_file(*text, path, settings);
}

}  // namespace egress::server
