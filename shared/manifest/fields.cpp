#include "shared/manifest/fields.h"

#include <charconv>

namespace egress {
namespace {

std::string_view kind_name(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMapping:
      return "a mapping";
    case Node::Kind::kScalar:
      break;
  }
  if (as_boolean(node)) return "a boolean";
  return is_text(node) ? "a string" : "a number";
}

bool is_number(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size();
}

}  // namespace

void Report::problem(const Node& at, const std::string& path, std::string message, std::string expected) {
  if (problems.size() >= kMaxProblems) return;
  problems.push_back({document_, at.line, at.column, path, std::move(message), std::move(expected)});
}

void Report::warning(const Node& at, const std::string& path, std::string message) {
  if (warnings.size() >= kMaxProblems) return;
  warnings.push_back({document_, at.line, at.column, path, std::move(message), {}});
}

std::optional<bool> as_boolean(const Node& node) {
  if (node.kind != Node::Kind::kScalar || node.quoted) return std::nullopt;
  if (node.scalar == "true") return true;
  if (node.scalar == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> as_integer(const Node& node) {
  if (node.kind != Node::Kind::kScalar || node.quoted) return std::nullopt;
  std::int64_t value = 0;
  const char* end = node.scalar.data() + node.scalar.size();
  const auto [stop, code] = std::from_chars(node.scalar.data(), end, value);
  if (code != std::errc{} || stop != end) return std::nullopt;
  return value;
}

bool is_text(const Node& node) {
  return node.kind == Node::Kind::kScalar && (node.quoted || !(as_boolean(node) || is_number(node.scalar)));
}

std::string element_path(const std::string& list_path, std::size_t index) {
  return list_path + "[" + std::to_string(index) + "]";
}

Fields::Fields(const Node& node, std::string path, Report& report)
    : node_(node), path_(std::move(path)), report_(report) {
  if (node.kind != Node::Kind::kMapping) {
    report.problem(node, path_, std::string(kind_name(node)) + " where fields belong", "a mapping");
  }
}

std::string Fields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

bool Fields::has(std::string_view key) const {
  for (const auto& [name, value] : node_.entries) {
    if (name.scalar == key) return true;
  }
  return false;
}

const Node* Fields::find(std::string_view key) {
  known_.emplace(key);
  for (const auto& [name, value] : node_.entries) {
    if (name.scalar == key) return value.kind == Node::Kind::kNull ? nullptr : &value;
  }
  return nullptr;
}

const Node* Fields::require(std::string_view key, std::string_view expected) {
  const Node* value = find(key);
  if (value == nullptr && node_.kind == Node::Kind::kMapping) {
    report_.problem(node_, path_of(key), "is missing", std::string(expected));
  }
  return value;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const Node* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_text(*value)) {
    report_.problem(*value, path_of(key), "is " + std::string(kind_name(*value)), "a string");
    return std::nullopt;
  }
  return value->scalar;
}

std::string Fields::required_text(std::string_view key, std::string_view expected) {
  const Node* value = require(key, expected);
  if (value == nullptr) return {};
  if (!is_text(*value) || value->scalar.empty()) {
    report_.problem(*value, path_of(key), "is " + std::string(is_text(*value) ? "empty" : kind_name(*value)),
                    std::string(expected));
    return {};
  }
  return value->scalar;
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const Node* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto result = as_boolean(*value);
  if (!result) report_.problem(*value, path_of(key), "is " + std::string(kind_name(*value)), "true or false");
  return result;
}

std::optional<std::int64_t> Fields::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  const Node* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = "an integer in " + std::to_string(min) + ".." + std::to_string(max);
  const auto result = as_integer(*value);
  if (!result) {
    report_.problem(*value, path_of(key), "is " + std::string(kind_name(*value)), expected);
  } else if (*result < min || *result > max) {
    report_.problem(*value, path_of(key), std::to_string(*result) + " is out of range", expected);
    return std::nullopt;
  }
  return result;
}

const std::vector<Node>* Fields::list(std::string_view key, std::string_view of_what) {
  const Node* value = find(key);
  if (value == nullptr) return nullptr;
  if (value->kind != Node::Kind::kSequence) {
    report_.problem(*value, path_of(key), "is " + std::string(kind_name(*value)), "a list of " + std::string(of_what));
    return nullptr;
  }
  return &value->items;
}

const std::vector<Node>* Fields::filled_list(std::string_view key, std::string_view of_what) {
  if (has(key) && find(key) == nullptr) {
    for (const auto& [name, value] : node_.entries) {
      if (name.scalar == key)
        report_.problem(value, path_of(key), "is null",
                        "at least one of " + std::string(of_what) + ", or no such field");
    }
    return nullptr;
  }
  const std::vector<Node>* items = list(key, of_what);
  if (items == nullptr || !items->empty()) return items;
  report_.problem(*find(key), path_of(key), "is empty, which would match everything or nothing",
                  "at least one of " + std::string(of_what) + ", or no such field");
  return nullptr;
}

void Fields::unenforced(std::string_view key, std::string_view why) {
  const Node* value = find(key);
  if (value == nullptr) return;
  const bool says_nothing = (value->kind == Node::Kind::kSequence && value->items.empty()) ||
                            (value->kind == Node::Kind::kMapping && value->entries.empty());
  if (!says_nothing) report_.warning(*value, path_of(key), std::string(why));
}

void Fields::finish() {
  for (const auto& [name, value] : node_.entries) {
    if (known_.contains(name.scalar)) continue;
    std::string expected;
    for (const std::string& known : known_) expected += (expected.empty() ? "one of " : ", ") + known;
    report_.problem(name, path_of(name.scalar), "is unknown", expected);
  }
}

}  // namespace egress
