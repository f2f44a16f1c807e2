// Settings that namespaces inherit: the nearest namespace that sets one decides, else the server (policy.md section 4).
#pragma once

#include <span>

#include "server/store/records.h"

namespace egress::server {

struct EffectiveSettings {
  Mode mode = Mode::kEnforcement;
  LoopbackMode loopback = LoopbackMode::kPass;
  LookupMode lookups = LookupMode::kResolvable;
};

// `chain`: a namespace and its existing ancestors, leaf to root.
EffectiveSettings effective_settings(std::span<const NamespaceRecord> chain, std::optional<Mode> server_mode);

}  // namespace egress::server
