// The policy documents as they would be after a change: what references are checked on and stacks are linked from.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "server/service/manifest_input.h"
#include "server/service/stored_documents.h"
#include "shared/manifest/problem.h"

namespace egress::server {

using DocumentKey = std::tuple<std::string, std::string, std::string>;  // kind, namespace, name: the stored order
DocumentKey key_of(const DocumentHead& head);

// `stored` with the stored kinds of `input` put in, in the stored order.
std::vector<Document> merge_documents(const DocumentSet& stored, const std::vector<InputDocument>& input);
// `stored` without one.
std::vector<Document> without_document(const DocumentSet& stored, const DocumentKey& key);

// References that lead nowhere once `input` is applied. Problems of documents that are stored already have no position
// and name the document.
std::vector<Problem> find_merged_reference_problems(const DocumentSet& stored, const std::vector<InputDocument>& input);

// The documents of `documents` that refer to something that is not there.
std::vector<std::string> find_dangling(const std::vector<Document>& documents);

// Whether `after` has a layer that is attached to the root, closes what it does not list, and did not do so before.
bool closes_root(const std::vector<Document>& before, const std::vector<Document>& after);

}  // namespace egress::server
