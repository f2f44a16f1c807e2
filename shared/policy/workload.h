// Who is judged: the fixed identity of a session, and label selectors over it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/policy/rule.h"

namespace egress {

struct Workload {
  std::string namespace_path;
  std::string name;
  std::map<std::string, std::string> labels;
  std::string target;  // mirrord's target path, e.g. "deployment/boats"
  bool authenticated = false;
};

// "k=v,k=v"; keys unique and non-empty, limits in base/limits.h. Empty text is no labels.
Expected<std::map<std::string, std::string>> parse_labels(std::string_view text);

bool matches(const WorkloadMatch& match, const Workload& workload);

// '*' matches any run of characters except '/'; everything else is literal. Linear in both lengths' product.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace egress
