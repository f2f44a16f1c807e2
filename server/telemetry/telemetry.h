// The OTLP store: batches come in as OTLP/HTTP JSON, whole or not at all, and go out again as they came. Every denial
// among the logs becomes an audit row in the same transaction (control-plane.md, "Audit").
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

inline constexpr std::size_t kMaxTelemetryPage = 1000;

class Telemetry {
 public:
  Telemetry(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // An ExportLogsServiceRequest or ExportTraceServiceRequest. Records whose event id is stored already are left out.
  // Durable once it returned. invalid_otlp names the field's path. A person reports only of namespaces within their
  // scope (agent.namespace; none is the root's): otherwise out_of_scope, and nothing is stored. Of what a workload's
  // token sends only what happened to that workload is taken.
  struct Rejected {
    std::size_t count = 0;
    std::string reason;  // empty if there are none
  };
  Result<Rejected> ingest(Signal signal, std::string_view json, const Principal& sender);

  // Since the server started.
  struct Counts {
    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t not_stored = 0;         // because the store failed; senders try again
    std::uint64_t malformed_batches = 0;  // refused whole
    std::uint64_t not_theirs = 0;         // of another workload than the token's
  };
  Counts counts() const { return {accepted_, duplicates_, not_stored_, malformed_batches_, not_theirs_}; }

  // The stored records as one OTLP request with "next_cursor" beside, newest first.
  Result<std::string> find(TelemetryFilter filter);

 private:
  Store& store_;
  const Clock& clock_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> duplicates_{0};
  std::atomic<std::uint64_t> not_stored_{0};
  std::atomic<std::uint64_t> malformed_batches_{0};
  std::atomic<std::uint64_t> not_theirs_{0};
};

}  // namespace egress::server
