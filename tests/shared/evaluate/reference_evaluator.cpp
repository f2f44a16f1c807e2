#include "tests/shared/evaluate/reference_evaluator.h"

#include <re2/re2.h>

#include <optional>

namespace egress::testing {
namespace {

struct Asked {
  const StackSettings& settings;
  const Workload& workload;
  Address address;
  std::uint16_t port;
  Transport transport;
  UnixMillis now_ms;
};

bool host_matches(const HostPattern& pattern, const std::string& name) {
  return pattern.kind == HostPatternKind::kRegex ? RE2::PartialMatch(name, pattern.text) : matches(pattern, name);
}

bool hosts_match(const Rule& rule, const std::string* name) {
  if (rule.hosts.empty()) return true;
  if (name == nullptr) return false;
  for (const HostPattern& pattern : rule.hosts) {
    if (host_matches(pattern, *name)) return true;
  }
  return false;
}

bool cidrs_match(const Rule& rule, Address address) {
  if (rule.cidrs.empty()) return true;
  for (const CidrMatch& match : rule.cidrs) {
    if (!contains(match.cidr, address)) continue;
    bool excepted = false;
    for (const Cidr& hole : match.except) excepted = excepted || contains(hole, address);
    if (!excepted) return true;
  }
  return false;
}

bool addresses_match(const Rule& rule, Address address) {
  if (cidrs_match(rule, address)) return true;
  const auto embedded = embedded_ipv4(address);
  return embedded && rule.action == Action::kDeny && cidrs_match(rule, *embedded);
}

bool ports_match(const Rule& rule, const Asked& asked) {
  if (rule.protocol && *rule.protocol != asked.transport) return false;
  if (rule.ports.empty()) return true;
  if (asked.transport != Transport::kTcp && asked.transport != Transport::kUdp) return false;
  for (const PortMatch& match : rule.ports) {
    if (contains(match.range, asked.port) && (!match.protocol || *match.protocol == asked.transport)) return true;
  }
  return false;
}

bool rule_matches(const Rule& rule, const Asked& asked, const std::string* name) {
  if (rule.workloads && !matches(*rule.workloads, asked.workload)) return false;
  if (rule.expires_at_ms && *rule.expires_at_ms <= asked.now_ms) return false;
  if (!hosts_match(rule, name) || !addresses_match(rule, asked.address) || !ports_match(rule, asked)) return false;
  const auto embedded = embedded_ipv4(asked.address);
  const bool link_local = is_link_local(asked.address) || (embedded && is_link_local(*embedded));
  const bool by_name_alone = !rule.hosts.empty() && rule.cidrs.empty();
  const bool would_allow = rule.action == Action::kAllow && !(rule.require_auth && !asked.workload.authenticated);
  return !(link_local && by_name_alone && would_allow);
}

struct LayerSays {
  Vote vote = Vote::kAbstain;
  DenyReason reason = DenyReason::kPolicy;
  std::uint32_t rule = kNoRule;
  bool by_rule = false;
};

bool applies(const Layer& layer, const Workload& workload) {
  return !layer.applies_to || matches(*layer.applies_to, workload);
}

LayerSays ask_layer(const Layer& layer, const Asked& asked, const std::string* name, bool loopback_passes) {
  if (!applies(layer, asked.workload)) return {};
  std::optional<std::uint32_t> block;
  std::optional<std::uint32_t> unauthenticated;
  std::optional<std::uint32_t> allow;
  for (std::uint32_t i = 0; i < layer.rules.size(); ++i) {
    const Rule& rule = layer.rules[i];
    if (!rule_matches(rule, asked, name)) continue;
    auto& first = rule.action == Action::kDeny                         ? block
                  : rule.require_auth && !asked.workload.authenticated ? unauthenticated
                                                                       : allow;
    if (!first) first = i;
  }
  if (block) return {Vote::kDeny, DenyReason::kPolicy, *block, true};
  if (unauthenticated) return {Vote::kDeny, DenyReason::kAuthRequired, *unauthenticated, false};
  if (allow) return {Vote::kAllow, DenyReason::kNone, *allow, false};
  if (layer.unmatched == Vote::kDeny && loopback_passes) return {};
  return {layer.unmatched, DenyReason::kPolicy, kNoRule, false};
}

Decision ask_stack(const std::vector<Layer>& layers, const Asked& asked, const std::string* name, bool loopback_passes,
                   bool& quarantined) {
  Decision denied;
  Decision allowed;
  bool any_deny = false;
  bool any_allow = false;
  quarantined = false;
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    const LayerSays says = ask_layer(layers[i], asked, name, loopback_passes);
    if (says.vote == Vote::kDeny) {
      const bool stronger = layers[i].quarantine && !quarantined && asked.settings.mode != Mode::kEnforcement;
      if (!any_deny || stronger) denied = {Verdict::kDeny, says.reason, i, says.rule, 0, {}, says.by_rule};
      any_deny = true;
      quarantined = quarantined || layers[i].quarantine;
    }
    if (says.vote == Vote::kAllow && !any_allow) {
      any_allow = true;
      allowed = {Verdict::kAllow, DenyReason::kNone, i, says.rule, 0, {}, false};
    }
  }
  if (any_deny) return denied;
  if (any_allow) return allowed;
  if (loopback_passes || asked.settings.default_action == Action::kAllow) {
    return {Verdict::kAllow, DenyReason::kNone, kNoLayer, kNoRule, 0, {}, false};
  }
  return {Verdict::kDeny, DenyReason::kPolicy, kNoLayer, kNoRule, 0, {}, false};
}

}  // namespace

Decision reference_ask(const std::vector<Layer>& layers, const StackSettings& settings, const Workload& workload,
                       const Question& question) {
  const Asked asked{settings,      workload,           canonical(testing::address(question.address)),
                    question.port, question.transport, question.now_ms};
  for (const Endpoint& endpoint : settings.control_plane) {
    if (endpoint.address == asked.address && endpoint.port == asked.port) {
      return {Verdict::kDeny, DenyReason::kControlPlane, kNoLayer, kNoRule, 0, {}, false};
    }
  }
  const bool loopback_passes = is_loopback(asked.address) && settings.loopback == LoopbackMode::kPass;

  Decision decision;
  bool quarantined = false;
  if (question.names.empty()) {
    decision = ask_stack(layers, asked, nullptr, loopback_passes, quarantined);
  } else {
    std::optional<Decision> first_allow;
    std::optional<Decision> first_deny;
    std::optional<Decision> blocked;
    bool blocked_quarantined = false;
    bool denied_quarantined = false;
    for (std::uint32_t i = 0; i < question.names.size(); ++i) {
      bool this_quarantined = false;
      Decision one = ask_stack(layers, asked, &question.names[i], loopback_passes, this_quarantined);
      one.name_id = i + 1;
      if (one.verdict == Verdict::kDeny && one.by_rule && !blocked) {
        blocked = one;
        blocked_quarantined = this_quarantined;
      }
      if (one.verdict == Verdict::kAllow && !first_allow) first_allow = one;
      if (one.verdict == Verdict::kDeny && !first_deny) {
        first_deny = one;
        denied_quarantined = this_quarantined;
      }
    }
    decision = blocked ? *blocked : first_allow ? *first_allow : *first_deny;
    quarantined = blocked ? blocked_quarantined : !first_allow && denied_quarantined;
  }
  if (is_synthetic(asked.address)) {
    if (decision.verdict == Verdict::kDeny) return decision;
    return {Verdict::kDeny, DenyReason::kPolicy, kNoLayer, kNoRule, decision.name_id, {}, false};
  }
  if (decision.verdict == Verdict::kDeny && !quarantined && settings.mode != Mode::kEnforcement) {
    decision.verdict = Verdict::kWouldDeny;
  }
  return decision;
}

Decision reference_raw_socket(const std::vector<Layer>& layers, const StackSettings& settings,
                              const Workload& workload) {
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    if (layers[i].quarantine && applies(layers[i], workload)) {
      return {Verdict::kDeny, DenyReason::kRawSocket, i, kNoRule, 0, {}, false};
    }
  }
  const Verdict refused = settings.mode == Mode::kEnforcement ? Verdict::kDeny : Verdict::kWouldDeny;
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    if (layers[i].unmatched == Vote::kDeny && applies(layers[i], workload)) {
      return {refused, DenyReason::kRawSocket, i, kNoRule, 0, {}, false};
    }
  }
  if (settings.default_action == Action::kAllow) {
    return {Verdict::kAllow, DenyReason::kNone, kNoLayer, kNoRule, 0, {}, false};
  }
  return {refused, DenyReason::kRawSocket, kNoLayer, kNoRule, 0, {}, false};
}

}  // namespace egress::testing
