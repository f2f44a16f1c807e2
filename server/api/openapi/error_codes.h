// Every stable error code of the API: its status, its meaning, and which calls can answer it. A test reads the sources
// and holds this table complete.
#pragma once

#include <span>
#include <string_view>

namespace egress::server::openapi {

enum class Reach {
  kEveryCall,
  kEveryWrite,     // POST and DELETE
  kAuthenticated,  // calls that need a role or a workload's token
  kToken,          // the same, and the login
  kRole,           // calls that need a role, and the login
  kWorkloadOnly,   // calls that serve workloads and nobody else
  kQuery,          // calls that read their query: all but OTLP's
  kJsonBody,
  kOtlpBody,
  kNamed,     // calls whose Operation names it
  kUnlisted,  // answers to what is no call, or of defects: of no call in particular
};

struct ErrorCodeEntry {
  std::string_view code;
  unsigned status;
  Reach reach;
  std::string_view meaning;
};

std::span<const ErrorCodeEntry> error_codes();

}  // namespace egress::server::openapi
