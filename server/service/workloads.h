// The registered workloads (policy.md section 7): who they are, and the token by which each is known. The registration
// is the only word on a workload's namespace, labels and target once there is a token.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/service/change.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/token_registry.h"
#include "server/service/workload_observer.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

struct WorkloadPut {
  std::string namespace_path;
  std::string name;
  Change<std::map<std::string, std::string>> labels;
  Change<std::string> target;
  bool rotate_token = false;
  Principal actor;
};

struct WorkloadPutResult {
  WorkloadRecord record;
  bool created = false;
  std::optional<std::string> token;  // the secret, only where one was made
};

struct WorkloadRemoval {
  std::string namespace_path;
  std::string name;
  Principal actor;
};

class Workloads {
 public:
  Workloads(Store& store, const Clock& clock, TokenRegistry& tokens, WorkloadObserver& observer)
      : store_(store), clock_(clock), tokens_(tokens), observer_(observer) {}

  // An upsert. Refuses with out_of_scope or namespace_unknown. The old token of a rotation is revoked in the same
  // transaction that makes the new one.
  Result<WorkloadPutResult> put(const WorkloadPut& put);
  // Revokes its token. Refuses with out_of_scope or workload_unknown.
  Result<void> remove(const WorkloadRemoval& removal);

  struct Position {
    std::string namespace_path;
    std::string name;
  };
  struct Page {
    std::vector<WorkloadRecord> items;  // by namespace, name
    std::optional<Position> next_after;
  };
  // In `subtree` and below. Whether the asker may see it is the caller's to check.
  Result<Page> list(const std::string& subtree, const Position& after, std::size_t limit);
  Result<WorkloadRecord> get(const std::string& namespace_path, const std::string& name);  // workload_unknown

  struct Registration {
    WorkloadRecord record;
    std::string token_sha256;
  };
  // Of a principal of kind kWorkload; token_revoked if its token is no longer the workload's.
  Result<Registration> find_registration(const Principal& principal);

  // Whether bundles require a token by now.
  bool is_closed() const { return tokens_.is_closed_to_workloads(); }
  // unauthenticated once they do, if the principal has none; the codes of TokenRegistry if it has.
  Result<void> recheck(const Principal& principal) const;

 private:
  Store& store_;
  const Clock& clock_;
  TokenRegistry& tokens_;
  WorkloadObserver& observer_;
};

}  // namespace egress::server
