#include "server/service/draft_references.h"

#include <algorithm>
#include <set>

#include "server/service/manifest_refusals.h"
#include "shared/manifest/references.h"

namespace egress::server {
namespace {

// All documents as they would be: those that a stream brought first, with their lines there.
struct Arranged {
  std::vector<Document> documents;
  std::vector<const DraftDocument*> brought;  // of the first ones
};

Arranged arrange(const PolicyDraft& draft) {
  Arranged arranged;
  std::set<DocumentKey> seen;
  for (const auto& [key, slot] : draft.documents()) {
    if (!slot.second || !slot.second->in_stream) continue;
    arranged.documents.push_back(*slot.second->in_stream);
    arranged.brought.push_back(&*slot.second);
    seen.insert(key);
  }
  for (Document& document : draft.documents_after()) {
    if (!seen.contains(key_of(head_of(document)))) arranged.documents.push_back(std::move(document));
  }
  return arranged;
}

const DocumentKey* find_removal(const PolicyDraft& draft) {
  for (const auto& [key, slot] : draft.documents()) {
    if (!slot.second) return &key;
  }
  return nullptr;
}

std::string cite(const DocumentKey& key) {
  const auto& [kind, namespace_path, name] = key;
  return cite(DocumentHead{kind, name, namespace_path});
}

}  // namespace

Result<void> check_references(const PolicyDraft& draft) {
  const Arranged arranged = arrange(draft);
  std::vector<Problem> problems = find_reference_problems(arranged.documents);
  if (problems.empty()) return {};
  std::vector<std::string> dangling;  // documents that no stream brought
  bool all_dangle = true;
  for (Problem& problem : problems) {
    const auto index = static_cast<std::size_t>(problem.document) - 1;
    if (index < arranged.brought.size()) {
      const DraftDocument& document = *arranged.brought[index];
      problem.document = document.number;
      if (!document.stream.empty()) problem.path = document.stream + ": " + problem.path;
      all_dangle = false;
      continue;
    }
    const std::string document = cite(head_of(arranged.documents[index]));
    if (dangling.empty() || dangling.back() != document) dangling.push_back(document);
    problem.message = "the stored " + document + " (" + problem.path + ", its line " + std::to_string(problem.line) +
                      ") would dangle: " + problem.message;
    problem.document = problem.line = problem.column = 0;
    problem.path.clear();
  }
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tuple(a.document == 0, a.document, a.line) < std::tuple(b.document == 0, b.document, b.line);
  });
  const DocumentKey* removed = find_removal(draft);
  if (all_dangle && removed != nullptr) return refuse_document_in_use(cite(*removed), dangling);
  return refuse_manifest(problems);
}

}  // namespace egress::server
