// The Gate by tokens and sessions (control-plane.md, "Access"). Costs one SHA-256 and one hash lookup a request.
#pragma once

#include <optional>

#include "server/api/gate.h"
#include "server/service/auth_failures.h"
#include "server/service/token_registry.h"
#include "server/service/ui_sessions.h"

namespace egress::server {

class TokenGate final : public Gate {
 public:
  TokenGate(const TokenRegistry& registry, UiSessions& sessions, AuthFailures& failures)
      : registry_(registry), sessions_(sessions), failures_(failures) {}

  Admission admit(const Route& route, const Credentials& credentials) override;
  Result<void> recheck(const Route& route, const Principal& principal) const override;
  void record_failures() override;

 private:
  // nullopt: no credentials. A session whose token ended is one that failed.
  std::optional<Result<Principal>> identify(const Credentials& credentials);
  // Whether the route needs somebody known now.
  bool needs_known(const Route& route) const;
  Principal stranger() const;
  Admission refuse_stranger(const Refusal& refusal, const Credentials& credentials, bool offered);

  const TokenRegistry& registry_;
  UiSessions& sessions_;
  AuthFailures& failures_;
};

// With the fields that tell when to try again.
Refusal rate_limited(std::int64_t retry_after_s);

}  // namespace egress::server
