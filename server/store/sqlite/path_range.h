// Namespaces below another, as a range of their texts.
#pragma once

#include <string>
#include <string_view>

#include "shared/policy/namespace_path.h"

namespace egress::server {

// The paths strictly below `path` are those in [first, end): '0' is the character after '/'.
struct PathRange {
  std::string first;
  std::string end;
};

inline PathRange range_below(std::string_view path) {
  if (path == kRootNamespace) return {"0", "{"};  // labels start with a digit or a lower-case letter
  return {std::string(path) + "/", std::string(path) + "0"};
}

}  // namespace egress::server
