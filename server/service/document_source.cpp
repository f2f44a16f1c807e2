#include "server/service/document_source.h"

#include <algorithm>
#include <functional>

#include "shared/manifest/node.h"
#include "shared/manifest/parse.h"

namespace egress::server {
namespace {

constexpr std::string_view kBlank = " \t\r";

// "---" and "..." count at the start of a line alone: YAML lets them stand nowhere else, not even inside a string.
bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || kBlank.find(line[3]) != std::string_view::npos);
}

bool is_blank(std::string_view line) { return line.find_first_not_of(kBlank) == std::string_view::npos; }

// Gathers the lines of one piece, without the blank ones around it.
class Piece {
 public:
  void add(std::string_view line, int number) {
    if (is_blank(line)) {
      blanks_ += source_.text.empty() ? "" : std::string(line) + "\n";
      return;
    }
    if (source_.text.empty()) source_.first_line = number;
    source_.text += blanks_ + std::string(line) + "\n";
    blanks_.clear();
  }

  void finish(std::vector<DocumentSource>& pieces) {
    if (!source_.text.empty()) pieces.push_back(std::move(source_));
    source_ = {};
    blanks_.clear();
  }

 private:
  DocumentSource source_;
  std::string blanks_;  // that follow, and belong to the piece if anything comes after them
};

// The byte at which a 1-based line and column stand.
std::size_t offset_of(std::string_view text, int line, int column) {
  std::size_t offset = 0;
  for (int i = 1; i < line && offset < text.size(); ++i) {
    const std::size_t end = text.find('\n', offset);
    offset = end == std::string_view::npos ? text.size() : end + 1;
  }
  return std::min(text.size(), offset + static_cast<std::size_t>(column) - 1);
}

const Node* find_first_key(const Node& root, std::string_view mapping) {
  for (const auto& [key, value] : root.entries) {
    if (key.scalar == mapping && !value.entries.empty()) return &value.entries.front().first;
  }
  return nullptr;
}

bool is_read_as(std::string_view source, const DocumentHead& head) {
  const auto parsed = parse_source(source);
  if (!parsed) return false;
  const DocumentHead& found = head_of(*parsed);
  return found.kind == head.kind && found.name == head.name && found.namespace_path == head.namespace_path;
}

}  // namespace

std::vector<DocumentSource> split_documents(std::string_view stream) {
  if (stream.starts_with("\xef\xbb\xbf")) stream.remove_prefix(3);  // a byte order mark belongs to no document
  std::vector<DocumentSource> pieces;
  Piece piece;
  int number = 0;
  while (!stream.empty()) {
    const std::size_t end = stream.find('\n');
    const std::string_view line = stream.substr(0, end);
    stream = end == std::string_view::npos ? std::string_view() : stream.substr(end + 1);
    ++number;
    const bool starts = is_marker(line, "---");
    if (starts || is_marker(line, "...")) {
      piece.finish(pieces);
      if (starts && !is_blank(line.substr(3))) piece.add(line, number);  // "--- {…}": the marker is part of the text
    } else {
      piece.add(line, number);
    }
  }
  piece.finish(pieces);
  return pieces;
}

const DocumentSource* find_piece(const std::vector<DocumentSource>& pieces, int line) {
  const auto after = std::upper_bound(pieces.begin(), pieces.end(), line, [](int wanted, const DocumentSource& piece) {
    return wanted < piece.first_line;
  });
  return after == pieces.begin() ? nullptr : &*std::prev(after);
}

Expected<Document> parse_source(std::string_view source, std::string_view default_namespace) {
  ParsedManifest parsed = parse_manifest_documents(source, default_namespace);
  if (!parsed.problems.empty()) {
    const Problem& first = parsed.problems.front();
    return fail(ErrorCode::kCorrupt, "line " + std::to_string(first.line) + ": " +
                                         (first.path.empty() ? "" : first.path + ": ") + first.message);
  }
  if (parsed.documents.size() != 1) {
    return fail(ErrorCode::kCorrupt, std::to_string(parsed.documents.size()) + " documents where one belongs");
  }
  return std::move(parsed.documents.front());
}

Expected<std::string> with_explicit_namespace(const std::string& source, const DocumentHead& head) {
  if (is_read_as(source, head)) return source;
  const ParsedStream stream = parse_stream(source);
  const Node* key = stream.documents.size() == 1 ? find_first_key(stream.documents.front(), "metadata") : nullptr;
  if (key != nullptr) {
    const std::string field = "\"namespace\": \"" + head.namespace_path + "\"";
    const std::size_t at = offset_of(source, key->line, key->column);
    std::string in_flow = source;
    in_flow.insert(at, field + ", ");
    std::string in_block = source;
    in_block.insert(at, field + "\n" + std::string(static_cast<std::size_t>(key->column) - 1, ' '));
    for (std::string& candidate : {std::ref(in_block), std::ref(in_flow)}) {
      if (is_read_as(candidate, head)) return std::move(candidate);
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              "namespace " + head.namespace_path + " is given by the call and cannot be written into this document");
}

}  // namespace egress::server
