// The text of a manifest or policy file as a command was given it, and what is wrong with it shown as compilers do.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/base/error.h"
#include "shared/manifest/problem.h"

namespace egress {

struct ManifestText {
  std::string name;  // for messages: the path, or "<stdin>"
  std::string text;
};

// `path`: a file, or "-" for standard input. kTooLarge past `max_bytes`.
Expected<ManifestText> load_manifest_text(const std::string& path, std::size_t max_bytes);

// One after the other, each with its line and a caret.
std::string render_problems(const std::vector<Problem>& problems, const ManifestText& manifest);
// The same, each marked as a warning.
std::string render_warnings(const std::vector<Problem>& warnings, const ManifestText& manifest);

}  // namespace egress
