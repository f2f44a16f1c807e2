// External interface: evaluate_raw_socket() of evaluate.h.
#include "shared/evaluate/evaluate.h"

namespace egress {
namespace {

// The first layer that denies everything in every mode, or kNoLayer.
std::uint16_t find_quarantine(const ConnectTable& table) noexcept {
  const auto layers = table.layers();
  for (std::uint16_t i = 0; i < layers.size(); ++i) {
    if (layers[i].quarantine != 0) return i;
  }
  return kNoLayer;
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
  decision.layer = find_quarantine(table);
  if (decision.layer != kNoLayer) return decision;
  if (static_cast<Action>(header.default_action) == Action::kAllow) {
    decision.verdict = Verdict::kAllow;
    decision.reason = DenyReason::kNone;
  } else if (static_cast<Mode>(header.mode) != Mode::kEnforcement) {
    decision.verdict = Verdict::kWouldDeny;
  }
  return decision;
}

}  // namespace egress
