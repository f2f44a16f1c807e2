#include "server/service/manifest_input.h"

#include <map>
#include <set>

#include "server/service/document_source.h"
#include "shared/manifest/fields.h"
#include "shared/manifest/parse.h"

namespace egress::server {
namespace {

// The limits of the calls that edit the same tables.
constexpr std::size_t kMaxDomainEntries = 10'000;
constexpr std::size_t kMaxReasonBytes = 1024;
constexpr std::size_t kMaxDescriptionBytes = 4096;

class InputCheck {
 public:
  explicit InputCheck(ManifestInput& input) : input_(input) {}

  void check(const Document& document, int number) {
    number_ = number;
    line_ = head_of(document).line;
    if (const auto* space = std::get_if<NamespaceDocument>(&document)) check_namespace(*space);
    if (const auto* domain = std::get_if<EgressDomain>(&document)) check_domain(*domain);
  }

  void add(std::string path, std::string message, std::string expected = {}) {
    if (input_.problems.size() >= kMaxProblems) return;
    input_.problems.push_back({number_, line_, 1, std::move(path), std::move(message), std::move(expected)});
  }

 private:
  void check_namespace(const NamespaceDocument& document) {
    if (document.description.size() > kMaxDescriptionBytes) {
      add("spec.description", "is too long", "at most 4096 bytes");
    }
    if (document.allowed_domains) check_entries(*document.allowed_domains, "spec.allowed_domains");
    check_entries(document.blocked_domains, "spec.blocked_domains");
    const auto [first, added] = namespaces_.emplace(document.head.name, line_);
    if (!added) refuse_twice(document.head, first->second);
  }

  void check_entries(const std::vector<DomainEntry>& entries, const std::string& path) {
    if (entries.size() > kMaxDomainEntries) {
      return add(path, "has " + std::to_string(entries.size()) + " entries", "at most 10000");
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::string at = path + "[" + std::to_string(i) + "]";
      const std::string domain = format_host_pattern(entries[i].pattern);
      if (!seen.insert(domain).second) add(at, domain + " stands in the list already", "each domain once");
      if (entries[i].reason.size() > kMaxReasonBytes) add(at + ".reason", "is too long", "at most 1024 bytes");
    }
  }

  void check_domain(const EgressDomain& document) {
    if (document.reason.size() > kMaxReasonBytes) add("spec.reason", "is too long", "at most 1024 bytes");
    // A domain may stand in both lists, as it may in the table.
    const auto [first, added] =
        domains_.emplace(std::pair(document.action, format_host_pattern(document.pattern)), line_);
    if (!added) refuse_twice(document.head, first->second);
  }

  void refuse_twice(const DocumentHead& head, int first_line) {
    add("metadata.name", cite(head) + " is given twice (first on line " + std::to_string(first_line) + ")",
        "each document once");
  }

  ManifestInput& input_;
  int number_ = 0;
  int line_ = 0;
  std::map<std::string, int> namespaces_;
  std::map<std::pair<Action, std::string>, int> domains_;
};

bool is_same_document(const DocumentHead& a, const DocumentHead& b) {
  return a.kind == b.kind && a.namespace_path == b.namespace_path && a.name == b.name;
}

void add_source(const std::vector<DocumentSource>& pieces, InputDocument& document, InputCheck& check) {
  const DocumentHead& head = head_of(document.in_stream);
  const DocumentSource* piece = find_piece(pieces, head.line);
  if (piece == nullptr) return check.add("", "the document's text was not found in the stream");
  auto source = piece->text;
  if (!head.namespace_path.empty()) {
    auto with_namespace = with_explicit_namespace(source, head);
    if (!with_namespace) {
      return check.add("metadata.namespace", with_namespace.error().message, "metadata.namespace in the document");
    }
    source = *std::move(with_namespace);
  }
  auto alone = parse_source(source);
  if (alone && !is_same_document(head_of(*alone), head)) {
    alone = fail(ErrorCode::kCorrupt, "it becomes " + cite(head_of(*alone)));
  }
  if (!alone) return check.add("", "the document cannot be read on its own: " + alone.error().message);
  document.on_its_own = *std::move(alone);
  document.source = std::move(source);
  document.first_line = piece->first_line;
}

}  // namespace

bool is_stored_kind(const Document& document) {
  return !std::holds_alternative<NamespaceDocument>(document) && !std::holds_alternative<EgressDomain>(document);
}

ManifestInput read_manifest_input(std::string_view text, std::string_view default_namespace) {
  ManifestInput input;
  ParsedManifest parsed = parse_manifest_documents(text, default_namespace);
  input.problems = std::move(parsed.problems);
  input.warnings = std::move(parsed.warnings);
  if (!input.problems.empty()) return input;
  if (parsed.documents.empty()) {
    input.problems.push_back({0, 0, 0, {}, "there is no document", "at least one"});
    return input;
  }
  InputCheck check(input);
  const auto pieces = split_documents(text);
  for (std::size_t i = 0; i < parsed.documents.size(); ++i) {
    InputDocument document;
    document.in_stream = std::move(parsed.documents[i]);
    check.check(document.in_stream, static_cast<int>(i) + 1);
    if (is_stored_kind(document.in_stream)) {
      add_source(pieces, document, check);
    } else {
      document.on_its_own = document.in_stream;
    }
    input.documents.push_back(std::move(document));
  }
  if (!input.problems.empty()) input.documents.clear();
  return input;
}

}  // namespace egress::server
