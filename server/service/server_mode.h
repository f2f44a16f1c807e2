// The server's own mode, which every namespace inherits that has none set above it.
#pragma once

#include <string>

#include "server/service/policy_observer.h"
#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

inline constexpr Mode kInitialMode = Mode::kEnforcement;
inline constexpr LoopbackMode kServerLoopback = LoopbackMode::kPass;
inline constexpr LookupMode kServerLookups = LookupMode::kResolvable;

class PolicyDraft;

// Puts the mode into the draft; answers whether it is another one. Refuses with out_of_scope.
Result<bool> plan_mode(PolicyDraft& draft, Mode mode, const Principal& actor);

class ServerMode {
 public:
  ServerMode(Store& store, const Clock& clock, PolicyObserver& observer)
      : store_(store), clock_(clock), observer_(observer) {}

  Result<Mode> get();
  // Refuses with out_of_scope: it needs an admin of the root.
  Result<Mode> set(Mode mode, const Principal& actor);

 private:
  Store& store_;
  const Clock& clock_;
  PolicyObserver& observer_;
};

}  // namespace egress::server
