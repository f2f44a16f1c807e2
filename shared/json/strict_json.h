// JSON text from a stranger into a document (RFC 8259), strictly: what most parsers let pass is refused here. Not a
// schema check: whoever reads the document names its fields.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "shared/base/error.h"

namespace egress {

inline constexpr std::size_t kMaxJsonDepth = 32;

// Refuses invalid UTF-8, a key given twice in one object, nesting beyond `max_depth`, numbers out of range and anything
// after the value: kInvalidArgument with line and column, or with the path of the key. Keeps the order of keys.
// O(text).
Expected<nlohmann::ordered_json> parse_json(std::string_view text, std::size_t max_depth = kMaxJsonDepth);

// One line. Never fails: a byte sequence that is not UTF-8 becomes U+FFFD, so that an error message may quote anything.
std::string render_json(const nlohmann::ordered_json& document);

}  // namespace egress
