#include "server/service/manifest_state.h"

#include <algorithm>

#include "shared/manifest/references.h"
#include "shared/policy/assemble.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

std::set<DocumentKey> stored_keys_of(const std::vector<InputDocument>& input) {
  std::set<DocumentKey> keys;
  for (const InputDocument& document : input) {
    if (is_stored_kind(document.in_stream)) keys.insert(key_of(head_of(document.in_stream)));
  }
  return keys;
}

std::set<std::string> closing_layers(const std::vector<Document>& documents) {
  std::set<std::string> ids;
  for (const Layer& layer : assemble_policy_layers(documents, kRootNamespace).layers) {
    if (layer.unmatched == Vote::kDeny) ids.insert(layer.id);
  }
  return ids;
}

}  // namespace

DocumentKey key_of(const DocumentHead& head) { return {head.kind, head.namespace_path, head.name}; }

std::vector<Document> merge_documents(const DocumentSet& stored, const std::vector<InputDocument>& input) {
  const auto replaced = stored_keys_of(input);
  std::vector<Document> merged;
  for (const Document& document : stored.documents) {
    if (!replaced.contains(key_of(head_of(document)))) merged.push_back(document);
  }
  for (const InputDocument& document : input) {
    if (is_stored_kind(document.on_its_own)) merged.push_back(document.on_its_own);
  }
  std::sort(merged.begin(), merged.end(),
            [](const Document& a, const Document& b) { return key_of(head_of(a)) < key_of(head_of(b)); });
  return merged;
}

std::vector<Document> without_document(const DocumentSet& stored, const DocumentKey& key) {
  std::vector<Document> rest;
  for (const Document& document : stored.documents) {
    if (key_of(head_of(document)) != key) rest.push_back(document);
  }
  return rest;
}

std::vector<Problem> find_merged_reference_problems(const DocumentSet& stored,
                                                    const std::vector<InputDocument>& input) {
  const auto replaced = stored_keys_of(input);
  std::vector<Document> documents;
  std::vector<int> numbers;  // of each, in the stream
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (!is_stored_kind(input[i].in_stream)) continue;
    documents.push_back(input[i].in_stream);
    numbers.push_back(static_cast<int>(i) + 1);
  }
  for (const Document& document : stored.documents) {
    if (!replaced.contains(key_of(head_of(document)))) documents.push_back(document);
  }
  std::vector<Problem> problems = find_reference_problems(documents);
  for (Problem& problem : problems) {
    const auto index = static_cast<std::size_t>(problem.document) - 1;
    if (index < numbers.size()) {
      problem.document = numbers[index];
    } else {
      problem.message = "the stored " + cite(head_of(documents[index])) + " (" + problem.path + ", its line " +
                        std::to_string(problem.line) + ") would dangle: " + problem.message;
      problem.document = problem.line = problem.column = 0;
      problem.path.clear();
    }
  }
  return problems;
}

std::vector<std::string> find_dangling(const std::vector<Document>& documents) {
  std::vector<std::string> cited;
  for (const Problem& problem : find_reference_problems(documents)) {
    std::string document = cite(head_of(documents[static_cast<std::size_t>(problem.document) - 1]));
    if (cited.empty() || cited.back() != document) cited.push_back(std::move(document));
  }
  return cited;
}

bool closes_root(const std::vector<Document>& before, const std::vector<Document>& after) {
  const auto closed = closing_layers(before);
  const auto closing = closing_layers(after);
  return std::any_of(closing.begin(), closing.end(), [&](const std::string& id) { return !closed.contains(id); });
}

}  // namespace egress::server
