#include "preload/agent/policy.h"

#include "shared/session/arena.h"

namespace egress {
namespace {

Expected<PolicyPtr> finish(std::shared_ptr<Policy> policy) {
  const auto& bytes = policy->stack.connect_table;
  if (!policy->table.open(bytes.data(), bytes.size())) {
    return fail(ErrorCode::kInternal, "the linked connect table does not open");
  }
  return PolicyPtr(std::move(policy));
}

}  // namespace

Workload judged_workload(const Manifest& manifest, Workload claimed) {
  claimed.authenticated = manifest.authenticated;
  claimed.namespace_path = manifest.namespace_path;
  if (!manifest.authenticated) return claimed;
  claimed.name = manifest.workload;
  claimed.labels = manifest.labels;
  claimed.target = manifest.target;
  return claimed;
}

Expected<PolicyPtr> make_policy(Manifest manifest, std::string manifest_json,
                                std::vector<std::shared_ptr<const CompiledLayer>> layers, const Workload& workload,
                                std::vector<Endpoint> control_plane) {
  const StackSettings settings{.default_action = manifest.default_action,
                               .mode = manifest.mode,
                               .loopback = manifest.loopback,
                               .lookups = manifest.lookups,
                               .control_plane = control_plane};
  std::vector<CompiledLayer> stack;
  stack.reserve(layers.size());
  for (const auto& layer : layers) stack.push_back(*layer);
  auto linked = link_stack(std::move(stack), settings, workload, kMaxTableBytes);
  if (!linked) return tl::unexpected(linked.error());
  auto policy = std::make_shared<Policy>();
  policy->manifest = std::move(manifest);
  policy->manifest_json = std::move(manifest_json);
  policy->layers = std::move(layers);
  policy->control_plane = std::move(control_plane);
  policy->stack = std::move(*linked);
  return finish(std::move(policy));
}

Expected<PolicyPtr> make_no_policy(NoPolicyCause cause, std::vector<Endpoint> control_plane) {
  auto policy = std::make_shared<Policy>();
  policy->cause = cause;
  policy->stack = link_no_policy(cause, control_plane);
  policy->control_plane = std::move(control_plane);
  return finish(std::move(policy));
}

}  // namespace egress
