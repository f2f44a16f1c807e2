// What is wrong with a manifest, and where. Problems refuse the whole manifest; warnings do not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace egress {

struct Problem {
  int document = 0;  // 1-based position in the stream; 0: the stream itself
  int line = 0;      // 1-based, within the whole stream
  int column = 0;    // 1-based
  std::string path;  // "spec.network.outgoing.allow[0].ports[1].port"; empty for the document itself
  std::string message;
  std::string expected;  // what would have been right; may be empty
};

// "manifest.yaml:12:9: spec.rules[0]: message (expected ...)", the line itself and a caret under the column.
std::string render_problem(const Problem& problem, std::string_view file_name, std::string_view text);

}  // namespace egress
