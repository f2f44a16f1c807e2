#include "server/service/policy_linker.h"

#include "server/service/cascade.h"
#include "server/service/effective_settings.h"
#include "server/service/egress_layer.h"
#include "shared/policy/assemble.h"
#include "shared/session/arena.h"

namespace egress::server {

Expected<LinkedPolicy> PolicyLinker::link(const Workload& workload, std::optional<Mode> mode) {
  std::vector<CompiledLayer> layers;
  const auto add = [&](const Layer& layer) -> Expected<void> {
    auto compiled = CompiledLayer::load(compile_layer(layer));
    if (!compiled) return tl::unexpected(compiled.error());
    layers.push_back(*std::move(compiled));
    return {};
  };
  if (egress_layer_) {
    layers.push_back(*egress_layer_);
  } else {
    if (auto added = add(make_egress_layer(reader_.egress_entries())); !added) return tl::unexpected(added.error());
    egress_layer_ = layers.front();
  }
  const auto chain = existing_chain(reader_, workload.namespace_path);
  for (const NamespaceRecord& record : chain) {
    auto added = add(make_namespace_layer(record.path, record.allowed, record.blocked));
    if (!added) return tl::unexpected(added.error());
  }
  for (const Layer& layer : assemble_policy_layers(documents_, workload.namespace_path).layers) {
    if (auto added = add(layer); !added) return tl::unexpected(added.error());
  }

  const EffectiveSettings effective = effective_settings(chain, reader_.server_mode());
  LinkedPolicy result;
  result.namespace_exists = !chain.empty() && chain.front().path == workload.namespace_path;
  result.mode = mode.value_or(effective.mode);
  StackSettings settings;
  if (!chain.empty()) settings.default_action = chain.back().default_action.value_or(Action::kDeny);
  settings.mode = result.mode;
  settings.loopback = effective.loopback;
  settings.lookups = effective.lookups;
  settings.control_plane.assign(control_plane_.begin(), control_plane_.end());
  auto stack = link_stack(std::move(layers), settings, workload, kMaxTableBytes);
  if (!stack) return tl::unexpected(stack.error());
  result.stack = *std::move(stack);
  return result;
}

}  // namespace egress::server
