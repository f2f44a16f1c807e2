#include "shared/policy/namespace_path.h"

#include <algorithm>

#include "shared/base/limits.h"

namespace egress {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_valid_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxHostLabelBytes) return false;
  if (!is_alphanumeric(label.front()) || !is_alphanumeric(label.back())) return false;
  return std::all_of(label.begin(), label.end(), [](char c) { return is_alphanumeric(c) || c == '-'; });
}

}  // namespace

Expected<std::string> parse_namespace_path(std::string_view text) {
  if (text == kRootNamespace) return std::string(text);
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 64)) + "\" is not a namespace: " + why);
  };
  std::string_view rest = text;
  for (std::size_t depth = 1;; ++depth) {
    if (depth > kMaxNamespaceDepth) return bad("it is deeper than 16 labels");
    const std::size_t slash = rest.find('/');
    if (!is_valid_label(rest.substr(0, slash))) {
      return bad("labels are lower-case letters, digits and inner '-', 1..63 bytes, separated by single slashes");
    }
    if (slash == std::string_view::npos) return std::string(text);
    rest.remove_prefix(slash + 1);
  }
}

std::string_view parent_namespace(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path == kRootNamespace ? kRootNamespace : path.substr(0, slash);
}

std::size_t namespace_depth(std::string_view path) {
  if (path == kRootNamespace) return 0;
  return 1 + static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

std::vector<std::string_view> ancestor_namespaces(std::string_view path) {
  std::vector<std::string_view> ancestors;
  while (path != kRootNamespace) {
    path = parent_namespace(path);
    ancestors.push_back(path);
  }
  return ancestors;
}

bool is_descendant_namespace(std::string_view path, std::string_view ancestor) {
  if (path == kRootNamespace || path == ancestor) return false;
  if (ancestor == kRootNamespace) return true;
  return path.size() > ancestor.size() && path.starts_with(ancestor) && path[ancestor.size()] == '/';
}

}  // namespace egress
