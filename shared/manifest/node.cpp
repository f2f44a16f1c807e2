#include "shared/manifest/node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <optional>
#include <set>
#include <streambuf>

namespace egress {
namespace {

// Thrown through yaml-cpp to leave its parser; caught in parse_stream.
struct Refused {
  Problem problem;
};

[[noreturn]] void refuse(int line, int column, std::string message, std::string expected = {}) {
  throw Refused{{0, line, column, {}, std::move(message), std::move(expected)}};
}

// Builds one document's tree from events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::size_t& nodes, std::size_t& aliases) : nodes_(nodes), aliases_(aliases) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make_node(Node::Kind::kNull, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (++aliases_ > kMaxManifestAliases) refuse(mark.line + 1, mark.column + 1, "more than 1,000 aliases");
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) refuse(mark.line + 1, mark.column + 1, "an alias inside what it names");
    count(target->second.nodes, mark);
    Node copy = target->second.node;
    copy.line = mark.line + 1;
    copy.column = mark.column + 1;
    place(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make_node(Node::Kind::kScalar, mark);
    node.quoted = tag == "!";
    if (node.quoted) last_quoted_ = mark;
    if (tag != "!" && tag != "?" && !tag.empty())
      refuse(node.line, node.column, "the tag " + tag + " has no meaning here");
    if (!node.quoted && (value == "~" || value == "null" || value == "Null" || value == "NULL" || value.empty())) {
      node.kind = Node::Kind::kNull;
    } else {
      node.scalar = value;
    }
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make_node(Node::Kind::kSequence, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make_node(Node::Kind::kMapping, mark), anchor);
  }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }
  const std::optional<YAML::Mark>& last_quoted() const { return last_quoted_; }

 private:
  struct Anchored {
    Node node;
    std::size_t nodes = 0;
  };
  // A sequence or mapping still being read.
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    bool has_key = false;
    Node key;
    std::set<std::string> keys;
  };

  Node make_node(Node::Kind kind, const YAML::Mark& mark) {
    count(1, mark);
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void count(std::size_t more, const YAML::Mark& mark) {
    nodes_ += more;
    if (nodes_ > kMaxManifestNodes) refuse(mark.line + 1, mark.column + 1, "more than 4,000,000 values");
  }

  void open(Node node, YAML::anchor_t anchor) {
    if (open_.size() >= kMaxManifestDepth) refuse(node.line, node.column, "nested deeper than 32 levels");
    Open entry;
    entry.node = std::move(node);
    entry.anchor = anchor;
    entry.nodes_before = nodes_ - 1;
    open_.push_back(std::move(entry));
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = {done.node, nodes_ - done.nodes_before};
    place(std::move(done.node));
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = {node, 1};
    place(std::move(node));
  }

  void place(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      if (node.kind != Node::Kind::kScalar)
        refuse(node.line, node.column, "a key that is not a string", "a field name");
      if (!parent.keys.insert(node.scalar).second) {
        refuse(node.line, node.column, "the key \"" + node.scalar + "\" is given twice", "each field once");
      }
      parent.key = std::move(node);
      parent.has_key = true;
    } else {
      parent.node.entries.emplace_back(std::move(parent.key), std::move(node));
      parent.has_key = false;
    }
  }

  std::size_t& nodes_;
  std::size_t& aliases_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Node root_;
  std::optional<YAML::Mark> last_quoted_;
};

bool is_utf8(std::string_view text, std::size_t& bad) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = c < 0x80                ? 1
                               : c >= 0xc2 && c < 0xe0 ? 2
                               : c >= 0xe0 && c < 0xf0 ? 3
                               : c >= 0xf0 && c < 0xf5 ? 4
                                                       : 0;
    bool ok = length != 0 && i + length <= text.size() && c != 0;
    for (std::size_t k = 1; ok && k < length; ++k) ok = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (ok && length >= 3) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      ok = !(c == 0xe0 && second < 0xa0) && !(c == 0xed && second >= 0xa0) && !(c == 0xf0 && second < 0x90) &&
           !(c == 0xf4 && second >= 0x90);
    }
    if (!ok) return bad = i, false;
    i += length;
  }
  return true;
}

Problem at_byte(std::string_view text, std::size_t byte, std::string message) {
  const std::string_view before = text.substr(0, byte);
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  int line = 1;
  for (const char c : before) line += c == '\n' ? 1 : 0;
  return {0, line, static_cast<int>(byte - line_start) + 1, {}, std::move(message), {}};
}

// yaml-cpp takes the end of the text for a missing closing quote. Only the last quoted scalar can miss it.
bool lacks_closing_quote(std::string_view text, const YAML::Mark& mark) {
  for (int line = 0; line < mark.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const auto column = static_cast<std::size_t>(mark.column);
  if (column >= text.size() || (text[column] != '"' && text[column] != '\'')) return false;  // a block scalar
  const char quote = text[column];
  for (std::size_t i = column + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < text.size() && text[i + 1] == quote;
      if (!doubled) return false;
      ++i;
    }
  }
  return true;
}

// The text as a stream, without a copy.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // the get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

ParsedStream parse_stream(std::string_view text) {
  ParsedStream result;
  if (text.size() > kMaxManifestTextBytes) {
    result.problems.push_back({0, 0, 0, {}, "the manifest is larger than 32 MiB", {}});
    return result;
  }
  if (std::size_t bad = 0; !is_utf8(text, bad)) {
    result.problems.push_back(at_byte(text, bad, "a byte that is not UTF-8 text"));
    return result;
  }
  std::size_t nodes = 0;
  std::size_t aliases = 0;
  try {
    TextBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    std::optional<YAML::Mark> last_quoted;
    for (;;) {
      TreeBuilder builder(nodes, aliases);
      if (!parser.HandleNextDocument(builder)) break;
      if (builder.last_quoted()) last_quoted = builder.last_quoted();
      Node root = builder.take_root();
      if (root.kind == Node::Kind::kNull) continue;
      if (result.documents.size() == kMaxManifestDocuments)
        refuse(root.line, root.column, "more than 10,000 documents");
      result.documents.push_back(std::move(root));
    }
    if (last_quoted && lacks_closing_quote(text, *last_quoted)) {
      refuse(last_quoted->line + 1, last_quoted->column + 1, "not YAML: a quote that nothing closes");
    }
  } catch (const YAML::ParserException& error) {
    result.problems.push_back({0, error.mark.line + 1, error.mark.column + 1, {}, "not YAML: " + error.msg, {}});
  } catch (const YAML::Exception& error) {
    result.problems.push_back({0, error.mark.line + 1, error.mark.column + 1, {}, "not YAML: " + error.msg, {}});
  } catch (const Refused& refused) {
    result.problems.push_back(refused.problem);
  }
  if (!result.problems.empty()) {
    for (Problem& problem : result.problems) problem.document = static_cast<int>(result.documents.size()) + 1;
    result.documents.clear();
  }
  return result;
}

}  // namespace egress
