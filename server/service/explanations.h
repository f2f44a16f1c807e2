// Why a workload would reach a destination or not (control-plane.md, GET /api/explain), on the policy of this moment.
// Linked stacks are kept until policy changes. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/service/policy_linker.h"
#include "server/service/refusal.h"
#include "server/service/stored_documents.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/explain/explain.h"

namespace egress::server {

class Explanations {
 public:
  // `control_plane`: where this server listens. Agents refuse it to workloads whatever the policy says, and so does the
  // answer.
  Explanations(Store& store, const Clock& clock, StoredDocuments& documents, std::vector<Endpoint> control_plane)
      : store_(store), clock_(clock), documents_(documents), control_plane_(std::move(control_plane)) {}

  struct Answer {
    Explanation explanation;
    std::uint64_t revision = 0;
    Mode mode = Mode::kEnforcement;
    bool namespace_exists = true;
  };
  // `question.now_ms` is set here.
  Result<Answer> ask(const Workload& workload, ExplainQuestion question);

 private:
  struct Linked {
    std::uint64_t revision = 0;
    LinkedPolicy policy;
  };
  Expected<std::shared_ptr<const Linked>> find_or_link(const Workload& workload);

  Store& store_;
  const Clock& clock_;
  StoredDocuments& documents_;
  const std::vector<Endpoint> control_plane_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Linked>> linked_;  // by what a link depends on
};

}  // namespace egress::server
