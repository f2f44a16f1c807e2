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

// 1..253 bytes, no blanks or control characters.
bool is_workload_name(std::string_view text);
// A mirrord target path: as a name, or empty.
bool is_workload_target(std::string_view text);
// Whether parse_labels() could give this pair: no '=' in the key, no ',' in either, no control characters.
bool is_label(std::string_view key, std::string_view value);

bool matches(const WorkloadMatch& match, const Workload& workload);

// '*' matches any run of characters except '/'; everything else is literal. Linear in both lengths' product.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace egress
