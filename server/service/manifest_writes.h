// The writes of one manifest within its transaction: which documents change anything, and the changes with their audit
// rows. Decides nothing about references, narrowing or tests.
#pragma once

#include <string>
#include <vector>

#include "server/service/manifest_input.h"
#include "server/service/manifests.h"
#include "server/service/namespace_write.h"
#include "server/store/store.h"

namespace egress::server {

class ManifestWrites {
 public:
  // Compares `input` with what is stored. `input` must outlive this.
  ManifestWrites(Writer& writer, const std::vector<InputDocument>& input, UnixMillis now_ms, std::string actor);

  const std::vector<AppliedDocument>& results() const { return results_; }
  bool changes_anything() const;

  // Puts all that changed under `revision`, with a manifest_applied row each.
  void put_all(std::uint64_t revision);

  // The namespaces among them, as put.
  const std::vector<NamespaceWrite>& namespaces() const { return namespaces_; }

 private:
  void plan(const InputDocument& document);
  void plan_namespace(const NamespaceDocument& document, AppliedDocument& result);
  void plan_domain(const EgressDomain& document, AppliedDocument& result);
  void plan_stored(const InputDocument& document, AppliedDocument& result);
  bool is_written_twice(const EgressEntry& entry) const;

  Writer& writer_;
  const std::vector<InputDocument>& input_;
  const UnixMillis now_ms_;
  const std::string actor_;
  std::vector<AppliedDocument> results_;  // parallel to input_
  std::vector<NamespaceWrite> namespaces_;
  std::vector<EgressEntry> entries_;
  std::vector<EgressEntry> displaced_;  // of the other action, which the document does not mention
  std::vector<DocumentRecord> records_;
};

}  // namespace egress::server
