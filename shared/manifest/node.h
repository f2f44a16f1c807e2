// A YAML stream as positioned trees, built from the parser's events under our own limits: JSON is read the same way,
// being YAML. Not a schema: fields.h and what stands on it say what may be written where.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "shared/manifest/problem.h"

namespace egress {

inline constexpr std::size_t kMaxManifestTextBytes = 32u << 20;
inline constexpr std::size_t kMaxManifestDocuments = 10'000;
inline constexpr std::size_t kMaxManifestDepth = 32;
inline constexpr std::size_t kMaxManifestNodes = 4'000'000;  // of a stream, after aliases are expanded
inline constexpr std::size_t kMaxManifestAliases = 1'000;    // of a stream

struct Node {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  std::string scalar;                          // kScalar
  bool quoted = false;                         // kScalar: written as a string, whatever it looks like
  std::vector<Node> items;                     // kSequence
  std::vector<std::pair<Node, Node>> entries;  // kMapping, as written; keys are scalars, each once
  int line = 0;                                // 1-based, within the whole stream
  int column = 0;                              // 1-based
};

// The documents of a stream; empty documents are left out. On failure, the problems (at least one): malformed YAML,
// invalid UTF-8, a key given twice or not a scalar, a limit exceeded.
struct ParsedStream {
  std::vector<Node> documents;
  std::vector<Problem> problems;
};
ParsedStream parse_stream(std::string_view text);

}  // namespace egress
