// What is remembered of a judged call (policy.md section 8). Produced by the agent, carried as OTLP (otlp/), stored and
// shown by the server. One record may stand for many equal calls: `count`, `first_seen_ms`, `last_seen_ms`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/policy/names.h"

namespace egress {

// What was judged. Spelled as OTLP event names: "egress.dial.*" and "egress.dns.denied".
enum class RecordKind : std::uint8_t { kDial = 0, kLookup = 1, kDropped = 2 };

struct DecisionRecord {
  std::string id;  // 32 hex digits, unique; the OTLP event id, for de-duplication and `egress why`
  RecordKind kind = RecordKind::kDial;
  Verdict verdict = Verdict::kDeny;
  DenyReason deny_reason = DenyReason::kNone;
  std::string layer;  // the deciding layer's id, or "default"
  std::string rule;   // the deciding rule's name, or "unmatched"
  std::uint64_t revision = 0;
  Mode mode = Mode::kEnforcement;
  Action default_action = Action::kDeny;
  std::string name;                // the name that decided; empty if the destination was judged nameless
  std::vector<std::string> names;  // every fresh name of the address
  std::string address;             // empty for lookups
  std::uint16_t port = 0;
  Transport transport = Transport::kTcp;
  std::string namespace_path;
  std::string workload;
  std::map<std::string, std::string> labels;
  std::int64_t pid = 0;
  std::string exe;
  std::uint64_t count = 1;  // kDropped: how many events were lost
  UnixMillis first_seen_ms = 0;
  UnixMillis last_seen_ms = 0;
};

}  // namespace egress
