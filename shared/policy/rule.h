// The typed rule of policy.md section 3. A rule matches when all its present fields match; an absent field matches
// everything. "Empty but present" lists never exist here: whoever builds a Rule from input refuses them first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/net/cidr.h"
#include "shared/net/host_pattern.h"
#include "shared/net/port_range.h"
#include "shared/policy/names.h"

namespace egress {

struct CidrMatch {
  Cidr cidr;
  std::vector<Cidr> except;
  friend bool operator==(const CidrMatch&, const CidrMatch&) = default;
};

struct PortMatch {
  std::optional<Transport> protocol;  // kTcp or kUdp when present
  PortRange range;
  friend bool operator==(const PortMatch&, const PortMatch&) = default;
};

enum class SelectorOperator : std::uint8_t { kIn = 0, kNotIn = 1, kExists = 2, kDoesNotExist = 3 };

// One term of a Kubernetes label selector; matchLabels are kIn terms with one value.
struct SelectorTerm {
  std::string key;
  SelectorOperator op = SelectorOperator::kIn;
  std::vector<std::string> values;
  friend bool operator==(const SelectorTerm&, const SelectorTerm&) = default;
};

struct WorkloadMatch {
  std::vector<SelectorTerm> terms;              // ANDed
  std::optional<std::string> target_path_glob;  // '*' within a path segment
  friend bool operator==(const WorkloadMatch&, const WorkloadMatch&) = default;
};

struct Rule {
  Action action = Action::kAllow;
  std::vector<HostPattern> hosts;  // empty: absent
  std::vector<CidrMatch> cidrs;    // empty: absent
  std::vector<PortMatch> ports;    // empty: absent
  std::optional<Transport> protocol;
  std::optional<WorkloadMatch> workloads;
  std::optional<UnixMillis> expires_at_ms;  // at and past it the rule does not match
  bool require_auth = false;                // allow rules only
  std::string name;        // how decisions cite it: "allow api.stripe.com", "spec.network.outgoing.block[0]"
  std::string document;    // where it was written: "MirrordPolicy default/boats"; empty: through the API
  std::uint32_t line = 0;  // within that document's stream; 0: unknown
  friend bool operator==(const Rule&, const Rule&) = default;
};

// One policy source of a stack (policy.md section 4).
struct Layer {
  std::string id;  // "egress", "namespace:prod/payments", "mirrord:default/name", ...
  Vote unmatched = Vote::kAbstain;
  bool quarantine = false;                  // a namespace with an empty allowed_domains: its denial holds in every mode
  std::optional<WorkloadMatch> applies_to;  // for other workloads the layer does not exist
  std::vector<Rule> rules;
};

}  // namespace egress
