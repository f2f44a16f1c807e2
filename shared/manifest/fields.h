// Reads the fields of one mapping of a manifest, strictly: every field is asked for by name, wrong types and unknown
// fields become problems with their path, and reading goes on so that one pass reports all there is. What a getter
// returns after a problem is unspecified but harmless; a manifest with problems is refused whole.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shared/manifest/node.h"
#include "shared/manifest/problem.h"

namespace egress {

inline constexpr std::size_t kMaxProblems = 100;  // later ones are dropped: the manifest is refused anyway

// Where problems and warnings of one document go.
class Report {
 public:
  explicit Report(int document) : document_(document) {}

  void problem(const Node& at, const std::string& path, std::string message, std::string expected = {});
  void warning(const Node& at, const std::string& path, std::string message);

  std::vector<Problem> problems;
  std::vector<Problem> warnings;

 private:
  int document_;
};

class Fields {
 public:
  // A node that is not a mapping is a problem, and every field of it is then absent.
  Fields(const Node& node, std::string path, Report& report);

  const Node& node() const { return node_; }
  Report& report() const { return report_; }
  std::string path_of(std::string_view key) const;

  // nullptr if absent or null. Marks the field as known.
  const Node* find(std::string_view key);
  bool has(std::string_view key) const;  // present, even if null; does not mark
  const Node* require(std::string_view key, std::string_view expected);

  std::optional<std::string> text(std::string_view key);
  std::string required_text(std::string_view key, std::string_view expected);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);

  // A list of at least one element; an empty one is a problem, because a template that rendered to nothing must not
  // become "everything". nullptr if absent or wrong.
  const std::vector<Node>* filled_list(std::string_view key, std::string_view of_what);
  // A list that may be empty. nullptr if absent or wrong.
  const std::vector<Node>* list(std::string_view key, std::string_view of_what);

  // Accepts a field that has no effect here, with a warning if it is there and says anything.
  void unenforced(std::string_view key, std::string_view why);

  // Unknown fields become problems. Call it last.
  void finish();

 private:
  const Node& node_;
  std::string path_;
  Report& report_;
  std::set<std::string, std::less<>> known_;
};

// A scalar that is a string: quoted, or plain and neither a number nor a boolean.
bool is_text(const Node& node);
std::optional<bool> as_boolean(const Node& node);
std::optional<std::int64_t> as_integer(const Node& node);
std::string element_path(const std::string& list_path, std::size_t index);

}  // namespace egress
