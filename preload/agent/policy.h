// A policy in force: the verified manifest, its linked stack and a view of the connect table. Immutable and shared: a
// session keeps the last few, to name the layers and rules that late events cite.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/bundle/manifest.h"
#include "shared/compile/link_stack.h"
#include "shared/evaluate/connect_table.h"
#include "shared/policy/workload.h"

namespace egress {

struct Policy {
  std::optional<Manifest> manifest;  // nullopt: denies everything for `cause`
  std::string manifest_json;         // the exact bytes that were signed
  NoPolicyCause cause = NoPolicyCause::kNone;
  std::vector<std::shared_ptr<const CompiledLayer>> layers;  // keeps the layer cache's entries alive
  std::vector<Endpoint> control_plane;
  LinkedStack stack;
  ConnectTable table;  // of stack.connect_table

  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  std::uint64_t revision() const { return manifest ? manifest->revision : 0; }
};

// Who is judged: the registered workload if the manifest is authenticated, else who it claims to be.
Workload judged_workload(const Manifest& manifest, Workload claimed);

using PolicyPtr = std::shared_ptr<const Policy>;

// kInternal if the linker's table does not open (a bug, reported rather than published).
Expected<PolicyPtr> make_policy(Manifest manifest, std::string manifest_json,
                                std::vector<std::shared_ptr<const CompiledLayer>> layers, const Workload& workload,
                                std::vector<Endpoint> control_plane);

Expected<PolicyPtr> make_no_policy(NoPolicyCause cause, std::vector<Endpoint> control_plane);

}  // namespace egress
