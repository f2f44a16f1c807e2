#include "server/startup/failure_metrics.h"

#include <array>
#include <string_view>

namespace egress::server {
namespace {

struct Reason {
  std::string_view code;  // of FailedAttempt
  AuthenticationFailure counted_as;
};

constexpr std::array kReasons{
    Reason{"no_token", AuthenticationFailure::kMissing},
    Reason{"unauthenticated", AuthenticationFailure::kUnknown},
    Reason{"token_revoked", AuthenticationFailure::kRevoked},
    Reason{"token_expired", AuthenticationFailure::kExpired},
    Reason{"session_over", AuthenticationFailure::kSessionOver},
};

AuthenticationFailure find_reason(std::string_view code) {
  for (const Reason& reason : kReasons) {
    if (reason.code == code) return reason.counted_as;
  }
  return AuthenticationFailure::kOther;
}

}  // namespace

void count_failures(AuthFailures& failures, Metrics& metrics) {
  failures.set_observer([&metrics](const FailedAttempt& attempt, bool held_back) {
    metrics.authentication_failed(held_back ? AuthenticationFailure::kRateLimited : find_reason(attempt.reason));
  });
}

}  // namespace egress::server
