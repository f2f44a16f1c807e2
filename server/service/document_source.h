// The text of single documents: cut out of the stream that was applied, so that each is kept as its author wrote it,
// and read back when a stack is made. Lines of a stored document count from its own first line, whatever stream it came
// in: moving it within a file changes nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/policy/documents.h"

namespace egress::server {

struct DocumentSource {
  std::string text;    // a stream of one document, ending in a line break
  int first_line = 0;  // 1-based, within the stream
};

// The pieces between document markers ("---", "...") that hold anything, in order. Comments stay with the document that
// follows them. O(stream).
std::vector<DocumentSource> split_documents(std::string_view stream);

// The piece that holds `line`; nullptr if none does.
const DocumentSource* find_piece(const std::vector<DocumentSource>& pieces, int line);

// The one document that `source` holds; kCorrupt if it is not one without problems. `default_namespace` as
// parse_manifest_documents has it.
Expected<Document> parse_source(std::string_view source, std::string_view default_namespace = {});

// `source` with metadata.namespace written out, if it needs that to be read as `head` without a default namespace.
// kInvalidArgument if there is no place to write it.
Expected<std::string> with_explicit_namespace(const std::string& source, const DocumentHead& head);

}  // namespace egress::server
