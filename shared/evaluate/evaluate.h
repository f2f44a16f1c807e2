// The evaluator: one connection against one connect table (policy.md sections 1, 3, 4 and 5). The same code serves the
// library in the workload, the agent, the server's explain and the tests. Pure, noexcept, allocation-free; about 400
// bytes of stack.
#pragma once

#include <cstdint>
#include <span>

#include "shared/base/clock.h"
#include "shared/evaluate/connect_table.h"
#include "shared/net/address.h"
#include "shared/policy/names.h"

namespace egress {

struct ConnectionFacts {
  Address address;  // canonical()
  std::uint16_t port = 0;
  Transport transport = Transport::kTcp;
  UnixMillis now_ms = 0;    // read only if the table has expiries
  bool has_address = true;  // false (explain alone): rules with CIDRs do not match, no special destination applies
};

// A name by which the workload reached the address. `label` holds the host rules that match the name.
struct Candidate {
  std::span<const RuleRef> label;
  std::uint32_t name_id = 0;  // 0: none
  bool labelled = true;       // false: its rules are not known for this table; denies
};

struct Decision {
  Verdict verdict = Verdict::kDeny;
  DenyReason reason = DenyReason::kNoPolicy;  // kNone if allowed
  std::uint16_t layer = kNoLayer;             // kNoLayer: the default action, or a reason that is no layer's
  std::uint32_t rule = kNoRule;               // kNoRule: unmatched
  std::uint32_t name_id = 0;                  // the candidate that decided
  NoPolicyCause no_policy = NoPolicyCause::kNone;
  bool by_rule = false;  // a block rule matched, as opposed to nothing allowing

  friend constexpr bool operator==(const Decision&, const Decision&) = default;
};

// The whole order of judging: no policy, control plane, synthetic address, loopback, the stack, the mode.
// `candidates` most recently resolved first, at most kMaxNamesPerAddress; empty: judged nameless.
Decision evaluate(const ConnectTable& table, const ConnectionFacts& facts,
                  std::span<const Candidate> candidates) noexcept;

// Whether a raw, packet, vsock or other socket that is not TCP, UDP or ICMP may be made (policy.md section 1). It has
// no destination to judge and no rule speaks of it, so it passes only where everything unlisted does: the default
// action is allow and no layer denies what it does not list (stricter than section 1, which asks for the default action
// alone: a raw socket would carry the bytes that an allow-list refuses). Else it is denied with the reason raw_socket
// and the first such layer, if one there is; shadow and discovery let it pass as would_deny, but for a quarantine in
// the stack, which denies it in every mode. Without a policy: no_policy.
Decision evaluate_raw_socket(const ConnectTable& table) noexcept;

// The votes of the stack alone, for one name or none, before mode and special destinations: what reachability builds
// on.
Decision evaluate_stack(const ConnectTable& table, const ConnectionFacts& facts, const Candidate* candidate) noexcept;

// One layer's vote as it enters the verdict, waived if loopback waives it: what explain shows.
struct LayerVerdict {
  Vote vote = Vote::kAbstain;
  DenyReason reason = DenyReason::kNone;
  std::uint32_t rule = kNoRule;  // kNoRule: unmatched
};
LayerVerdict evaluate_layer(const ConnectTable& table, const ConnectionFacts& facts, const Candidate* candidate,
                            std::uint16_t layer) noexcept;

// Whether some non-loopback address, port and transport would be allowed for a name with this label: what decides a
// lookup (policy.md section 5). Exact. O(intervals * matches^2); callers cache by label.
bool is_reachable(const ConnectTable& table, std::span<const RuleRef> label, UnixMillis now_ms) noexcept;

}  // namespace egress
