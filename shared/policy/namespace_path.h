// Paths of the namespace tree (policy.md section 6): "/" is the root, others are "prod/payments" without a leading or
// trailing slash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"

namespace egress {

inline constexpr std::string_view kRootNamespace = "/";
inline constexpr std::string_view kDefaultNamespace = "default";

// Labels [a-z0-9]([a-z0-9-]*[a-z0-9])?, <= 63 bytes each, <= 16 deep. Returns the path unchanged, or why it is refused.
Expected<std::string> parse_namespace_path(std::string_view text);

// The textual parent; "/" for a top-level namespace and for the root itself.
std::string_view parent_namespace(std::string_view path);

// 0 for the root, 1 for "prod", 2 for "prod/payments".
std::size_t namespace_depth(std::string_view path);

// Proper ancestors, nearest first, the root last; empty for the root.
std::vector<std::string_view> ancestor_namespaces(std::string_view path);

// Whether `path` is strictly below `ancestor`.
bool is_descendant_namespace(std::string_view path, std::string_view ancestor);

}  // namespace egress
