#include <gtest/gtest.h>

#include "tests/shared/evaluate/stack_builder.h"

namespace egress {
namespace {

using namespace egress::testing;

Layer layer(std::string id, Vote unmatched, std::vector<Rule> rules = {}) {
  Layer result;
  result.id = std::move(id);
  result.unmatched = unmatched;
  result.rules = std::move(rules);
  return result;
}

Layer quarantine(std::string id) {
  Layer result = layer(std::move(id), Vote::kDeny);
  result.quarantine = true;
  return result;
}

Layer only_for_payments(Layer result) {
  result.applies_to = WorkloadMatch{{{"team", SelectorOperator::kIn, {"pay"}}}, std::nullopt};
  return result;
}

struct Outcome {
  Verdict verdict;
  DenyReason reason;
  std::uint16_t layer = kNoLayer;
};

constexpr Outcome kAllowed{Verdict::kAllow, DenyReason::kNone};
constexpr Outcome kRefused{Verdict::kDeny, DenyReason::kRawSocket};
constexpr Outcome kRecorded{Verdict::kWouldDeny, DenyReason::kRawSocket};
constexpr Outcome refused_by(std::uint16_t by) { return {Verdict::kDeny, DenyReason::kRawSocket, by}; }
constexpr Outcome recorded_by(std::uint16_t by) { return {Verdict::kWouldDeny, DenyReason::kRawSocket, by}; }
constexpr Outcome quarantined(std::uint16_t by) { return {Verdict::kDeny, DenyReason::kRawSocket, by}; }

void check(const char* name, const Decision& decision, const Outcome& expected) {
  EXPECT_EQ(decision.verdict, expected.verdict) << name;
  EXPECT_EQ(decision.reason, expected.reason) << name;
  EXPECT_EQ(decision.layer, expected.layer) << name;
  EXPECT_EQ(decision.rule, kNoRule) << name;
  EXPECT_EQ(decision.no_policy, NoPolicyCause::kNone) << name;
  EXPECT_FALSE(decision.by_rule) << name;
}

TEST(RawSocketTest, TheDefaultActionTheLayersAndTheModeDecide) {
  const Layer egress = layer("egress", Vote::kAbstain);
  const Layer narrowed = layer("namespace:x", Vote::kDeny, {allow_hosts({"a.com"})});
  const Layer open = layer("gateway:/", Vote::kAllow);
  Rule anywhere;
  anywhere.action = Action::kAllow;
  anywhere.ports = {{std::nullopt, {1, 65535}}};
  const Layer all_ports = layer("g", Vote::kAbstain, {allow_cidr("0.0.0.0/0"), allow_cidr("::/0"), anywhere});
  const Layer blocking = layer("egress", Vote::kAbstain, {block_cidr("0.0.0.0/0")});
  const Layer isolated = quarantine("namespace:q");

  constexpr Mode kModes[] = {Mode::kEnforcement, Mode::kShadow, Mode::kDiscovery};
  const struct {
    const char* name;
    std::vector<Layer> layers;
    Action default_action;
    Outcome expected[3];  // in enforcement, shadow, discovery
  } kCases[] = {
      {"no layers, closed", {}, Action::kDeny, {kRefused, kRecorded, kRecorded}},
      {"no layers, open", {}, Action::kAllow, {kAllowed, kAllowed, kAllowed}},
      {"no allow rule speaks of raw sockets", {all_ports}, Action::kDeny, {kRefused, kRecorded, kRecorded}},
      {"nor does a layer that is open", {egress, open}, Action::kDeny, {kRefused, kRecorded, kRecorded}},
      {"no block rule speaks of raw sockets", {blocking}, Action::kAllow, {kAllowed, kAllowed, kAllowed}},
      {"a list of names, open", {egress, narrowed}, Action::kAllow, {refused_by(1), recorded_by(1), recorded_by(1)}},
      {"a list of names, closed", {egress, narrowed}, Action::kDeny, {refused_by(1), recorded_by(1), recorded_by(1)}},
      {"quarantine, closed", {isolated}, Action::kDeny, {quarantined(0), quarantined(0), quarantined(0)}},
      {"quarantine, open", {isolated}, Action::kAllow, {quarantined(0), quarantined(0), quarantined(0)}},
      {"quarantine of an ancestor",
       {egress, narrowed, isolated},
       Action::kDeny,
       {quarantined(2), quarantined(2), quarantined(2)}},
      {"quarantine beside an open layer",
       {open, isolated},
       Action::kAllow,
       {quarantined(1), quarantined(1), quarantined(1)}},
      {"the first of two quarantines is named",
       {egress, isolated, quarantine("namespace:/")},
       Action::kAllow,
       {quarantined(1), quarantined(1), quarantined(1)}},
  };
  for (const auto& c : kCases) {
    for (std::size_t i = 0; i < 3; ++i) {
      StackSettings settings;
      settings.mode = kModes[i];
      settings.default_action = c.default_action;
      SCOPED_TRACE(name_of(kModes[i]));
      check(c.name, ask_raw_socket(link(c.layers, settings)), c.expected[i]);
    }
  }
}

TEST(RawSocketTest, AQuarantineOfOtherWorkloadsIsNotOurs) {
  const std::vector<Layer> layers{only_for_payments(quarantine("mirrord:default/q"))};
  StackSettings shadow;
  shadow.mode = Mode::kShadow;
  check("another workload", ask_raw_socket(link(layers, shadow)), kRecorded);
  Workload pay;
  pay.labels = {{"team", "pay"}};
  check("its workload", ask_raw_socket(link(layers, shadow, pay)), quarantined(0));
}

// A raw socket reaches loopback and much else: nothing of what is waived for a loopback destination is waived for it.
TEST(RawSocketTest, LoopbackThatPassesOpensNothing) {
  for (const LoopbackMode loopback : {LoopbackMode::kPass, LoopbackMode::kEnforce}) {
    StackSettings settings;
    settings.loopback = loopback;
    check("closed", ask_raw_socket(link({layer("egress", Vote::kAbstain)}, settings)), kRefused);
  }
}

TEST(RawSocketTest, WithoutAPolicyNoneIsMade) {
  for (const NoPolicyCause cause :
       {NoPolicyCause::kUnavailable, NoPolicyCause::kNamespaceUnknown, NoPolicyCause::kStale}) {
    const Decision decision = ask_raw_socket(link_no_policy(cause, {}));
    EXPECT_EQ(decision.verdict, Verdict::kDeny);
    EXPECT_EQ(decision.reason, DenyReason::kNoPolicy);
    EXPECT_EQ(decision.no_policy, cause);
    EXPECT_EQ(decision.layer, kNoLayer);
  }
}

}  // namespace
}  // namespace egress
