// Links the stack of any workload from what a transaction sees, committed or not: for explain and for PolicyTests. The
// layers are the ones that bundles carry, made by the same functions. Not for enforcement: agents link what they fetch.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "server/store/store.h"
#include "shared/base/error.h"
#include "shared/compile/link_stack.h"
#include "shared/policy/documents.h"
#include "shared/policy/workload.h"

namespace egress::server {

struct LinkedPolicy {
  LinkedStack stack;
  Mode mode = Mode::kEnforcement;
  bool namespace_exists = true;  // false: judged as if it existed and inherited
};

class PolicyLinker {
 public:
  // All must outlive this. `documents` need not be what `reader` has stored. `control_plane` is refused whatever the
  // policy says; without it policy alone is judged.
  PolicyLinker(Reader& reader, const std::vector<Document>& documents, std::span<const Endpoint> control_plane = {})
      : reader_(reader), documents_(documents), control_plane_(control_plane) {}

  // `mode` instead of the effective one.
  Expected<LinkedPolicy> link(const Workload& workload, std::optional<Mode> mode = std::nullopt);

 private:
  Reader& reader_;
  const std::vector<Document>& documents_;
  std::span<const Endpoint> control_plane_;
  std::optional<CompiledLayer> egress_layer_;  // the largest, and in every stack
};

}  // namespace egress::server
