// External interface: evaluate_raw_socket() of evaluate.h.
#include "shared/evaluate/evaluate.h"

namespace egress {
namespace {

// The first layer that a quarantine makes, or else the first that denies what it does not list; kNoLayer if every layer
// leaves open what it does not list.
std::uint16_t find_closed(const ConnectTable& table) noexcept {
  const auto layers = table.layers();
  std::uint16_t closed = kNoLayer;
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    if (layers[i].quarantine != 0) return i;
    if (closed == kNoLayer && static_cast<Vote>(layers[i].unmatched) == Vote::kDeny) closed = i;
  }
  return closed;
}

}  // namespace

Decision evaluate_raw_socket(const ConnectTable& table) noexcept {
  const ConnectTableHeader& header = table.header();
  Decision decision;
  if (header.no_policy != 0) {
    decision.reason = DenyReason::kNoPolicy;
    decision.no_policy = static_cast<NoPolicyCause>(header.no_policy);
    return decision;
  }
  decision.reason = DenyReason::kRawSocket;
  decision.layer = find_closed(table);
  if (decision.layer != kNoLayer && table.layers()[decision.layer].quarantine != 0) return decision;
  if (decision.layer == kNoLayer && static_cast<Action>(header.default_action) == Action::kAllow) {
    decision.verdict = Verdict::kAllow;
    decision.reason = DenyReason::kNone;
  } else if (static_cast<Mode>(header.mode) != Mode::kEnforcement) {
    decision.verdict = Verdict::kWouldDeny;
  }
  return decision;
}

}  // namespace egress
