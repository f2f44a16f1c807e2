#include "shared/evaluate/evaluate.h"

#include "shared/evaluate/matches.h"

namespace egress {
namespace {

using evaluation::Destination;
using evaluation::find_destination;
using evaluation::is_authenticated;
using evaluation::kAllowed;
using evaluation::kBlocked;
using evaluation::kUnauthenticated;
using evaluation::outcome_of;

// The first rule, in the order written, that gave `layer` this outcome.
std::uint32_t find_rule(const ConnectTable& table, const ConnectionFacts& facts, const Destination& to,
                        const Candidate* candidate, std::uint16_t layer, std::uint8_t outcome) noexcept {
  const bool authenticated = is_authenticated(table);
  std::uint32_t first = kNoRule;
  evaluation::for_each_match(table, facts, to, candidate, [&](RuleRef rule, const Clause& clause) {
    if (clause.layer == layer && rule.rule < first && outcome_of(clause, authenticated) == outcome) first = rule.rule;
  });
  return first;
}

Decision deny(DenyReason reason) noexcept {
  Decision decision;
  decision.reason = reason;
  return decision;
}

Decision deny_by_layer(const ConnectTable& table, const ConnectionFacts& facts, const Destination& to,
                       const Candidate* candidate, std::uint16_t layer, std::uint8_t seen) noexcept {
  Decision decision = deny(DenyReason::kPolicy);
  decision.layer = layer;
  if ((seen & kBlocked) != 0) {
    decision.by_rule = true;
    decision.rule = find_rule(table, facts, to, candidate, layer, kBlocked);
  } else if ((seen & kUnauthenticated) != 0) {
    decision.reason = DenyReason::kAuthRequired;
    decision.rule = find_rule(table, facts, to, candidate, layer, kUnauthenticated);
  }
  return decision;
}

Decision allow_by_layer(std::uint16_t layer, std::uint32_t rule) noexcept {
  Decision decision;
  decision.verdict = Verdict::kAllow;
  decision.reason = DenyReason::kNone;
  decision.layer = layer;
  decision.rule = rule;
  return decision;
}

// The stack's verdict for one candidate. With `loopback_passes`, unmatched denies and the default action are waived.
// `quarantined` tells whether a layer that enforces in every mode denied.
Decision judge_stack(const ConnectTable& table, const ConnectionFacts& facts, const Destination& to,
                     const Candidate* candidate, bool loopback_passes, bool& quarantined) noexcept {
  const auto layers = table.layers();
  const bool authenticated = is_authenticated(table);
  std::uint8_t seen[kMaxStackLayers];
  for (std::size_t i = 0; i < layers.size(); ++i) seen[i] = 0;
  evaluation::for_each_match(table, facts, to, candidate, [&](RuleRef, const Clause& clause) {
    if (clause.layer < layers.size()) seen[clause.layer] |= outcome_of(clause, authenticated);
  });

  std::uint16_t denier = kNoLayer;
  std::uint16_t quarantine = kNoLayer;
  std::uint16_t allower = kNoLayer;
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    const bool by_rule = (seen[i] & (kBlocked | kUnauthenticated)) != 0;
    const bool unmatched = seen[i] == 0;
    const auto vote = static_cast<Vote>(layers[i].unmatched);
    const bool denies = by_rule || (unmatched && vote == Vote::kDeny && !loopback_passes);
    const bool allows = (seen[i] & kAllowed) != 0 || (unmatched && vote == Vote::kAllow);
    if (denies && denier == kNoLayer) denier = i;
    if (denies && layers[i].quarantine != 0 && quarantine == kNoLayer) quarantine = i;
    if (!denies && allows && allower == kNoLayer) allower = i;
  }
  quarantined = quarantine != kNoLayer;
  if (denier != kNoLayer) {
    // Where the mode would let the verdict pass, the quarantine is what stops it, and so what is named.
    const bool enforced = static_cast<Mode>(table.header().mode) == Mode::kEnforcement;
    const std::uint16_t deciding = quarantined && !enforced ? quarantine : denier;
    return deny_by_layer(table, facts, to, candidate, deciding, seen[deciding]);
  }
  if (allower != kNoLayer) {
    const bool matched = (seen[allower] & kAllowed) != 0;
    return allow_by_layer(allower, matched ? find_rule(table, facts, to, candidate, allower, kAllowed) : kNoRule);
  }
  if (loopback_passes || static_cast<Action>(table.header().default_action) == Action::kAllow) {
    return allow_by_layer(kNoLayer, kNoRule);
  }
  return deny(DenyReason::kPolicy);
}

// The verdict over all names of the address (policy.md section 5, Candidates).
Decision judge_candidates(const ConnectTable& table, const ConnectionFacts& facts,
                          std::span<const Candidate> candidates, bool loopback_passes, bool& quarantined) noexcept {
  const Destination to = find_destination(table, facts);
  if (candidates.empty()) return judge_stack(table, facts, to, nullptr, loopback_passes, quarantined);
  Decision first_allow;
  Decision first_deny;
  bool allowed = false;
  bool denied = false;
  bool deny_quarantined = false;
  for (const Candidate& candidate : candidates.first(std::min(candidates.size(), kMaxNamesPerAddress))) {
    bool this_quarantined = false;
    Decision decision = deny(DenyReason::kPolicy);
    decision.by_rule = true;
    if (candidate.labelled) decision = judge_stack(table, facts, to, &candidate, loopback_passes, this_quarantined);
    decision.name_id = candidate.name_id;
    if (decision.verdict == Verdict::kDeny && decision.by_rule) {
      quarantined = this_quarantined;
      return decision;
    }
    if (decision.verdict == Verdict::kAllow && !allowed) {
      allowed = true;
      first_allow = decision;
    } else if (decision.verdict == Verdict::kDeny && !denied) {
      denied = true;
      first_deny = decision;
      deny_quarantined = this_quarantined;
    }
  }
  quarantined = !allowed && deny_quarantined;
  return allowed ? first_allow : first_deny;
}

bool is_loopback_waived(const ConnectTable& table, const ConnectionFacts& facts) noexcept {
  return facts.has_address && is_loopback(facts.address) &&
         static_cast<LoopbackMode>(table.header().loopback) == LoopbackMode::kPass;
}

bool is_control_plane(const ConnectTable& table, const ConnectionFacts& facts) noexcept {
  for (const ControlPlaneEndpoint& endpoint : table.control_plane()) {
    if (endpoint.port == facts.port && endpoint.address == facts.address) return true;
  }
  return false;
}

}  // namespace

Decision evaluate_stack(const ConnectTable& table, const ConnectionFacts& facts, const Candidate* candidate) noexcept {
  bool quarantined = false;
  return judge_stack(table, facts, find_destination(table, facts), candidate, false, quarantined);
}

LayerVerdict evaluate_layer(const ConnectTable& table, const ConnectionFacts& facts, const Candidate* candidate,
                            std::uint16_t layer) noexcept {
  const auto layers = table.layers();
  if (layer >= layers.size()) return {};
  const bool authenticated = is_authenticated(table);
  const Destination to = find_destination(table, facts);
  std::uint8_t seen = 0;
  evaluation::for_each_match(table, facts, to, candidate, [&](RuleRef, const Clause& clause) {
    if (clause.layer == layer) seen |= outcome_of(clause, authenticated);
  });
  if ((seen & (kBlocked | kUnauthenticated)) != 0) {
    const Decision denied = deny_by_layer(table, facts, to, candidate, layer, seen);
    return {Vote::kDeny, denied.reason, denied.rule};
  }
  if ((seen & kAllowed) != 0) {
    return {Vote::kAllow, DenyReason::kNone, find_rule(table, facts, to, candidate, layer, kAllowed)};
  }
  const auto unmatched = static_cast<Vote>(layers[layer].unmatched);
  if (unmatched != Vote::kDeny) return {unmatched, DenyReason::kNone, kNoRule};
  if (is_loopback_waived(table, facts)) return {};
  return {Vote::kDeny, DenyReason::kPolicy, kNoRule};
}

Decision evaluate(const ConnectTable& table, const ConnectionFacts& facts,
                  std::span<const Candidate> candidates) noexcept {
  const ConnectTableHeader& header = table.header();
  if (header.no_policy != 0) {
    Decision decision = deny(DenyReason::kNoPolicy);
    decision.no_policy = static_cast<NoPolicyCause>(header.no_policy);
    return decision;
  }
  if (facts.has_address && is_control_plane(table, facts)) return deny(DenyReason::kControlPlane);

  const bool synthetic = facts.has_address && is_synthetic(facts.address);
  const bool loopback_passes = is_loopback_waived(table, facts);
  bool quarantined = false;
  Decision decision = judge_candidates(table, facts, candidates, loopback_passes, quarantined);
  if (synthetic) {
    // Denied whatever the rules say; the stack still names the layer that refused the name.
    if (decision.verdict == Verdict::kDeny) return decision;
    Decision refused = deny(DenyReason::kPolicy);
    refused.name_id = decision.name_id;
    return refused;
  }
  if (decision.verdict == Verdict::kDeny && !quarantined && static_cast<Mode>(header.mode) != Mode::kEnforcement) {
    decision.verdict = Verdict::kWouldDeny;
  }
  return decision;
}

}  // namespace egress
