#include "shared/evaluate/evaluate.h"

#include <gtest/gtest.h>

#include "tests/shared/evaluate/stack_builder.h"

namespace egress {
namespace {

using namespace egress::testing;

Layer layer(std::string id, Vote unmatched, std::vector<Rule> rules) {
  Layer result;
  result.id = std::move(id);
  result.unmatched = unmatched;
  result.rules = std::move(rules);
  return result;
}

Layer quarantine(std::string id) {
  Layer result = layer(std::move(id), Vote::kDeny, {});
  result.quarantine = true;
  return result;
}

// The example policy of the mirrord seed.
Layer mirrord_example() {
  Rule inside = allow_cidr("10.0.0.0/16", {"10.0.5.0/24"});
  inside.name = "allow[0]";
  inside.ports = {{Transport::kTcp, {80, 80}}, {Transport::kTcp, {443, 443}}, {Transport::kUdp, {53, 53}}};
  Rule metalbear = with_port(allow_hosts({"/^metalbear\\.(co|com)$/"}), 443, 443, Transport::kTcp);
  metalbear.name = "allow[1]";
  Rule ssh = with_port(block_cidr("0.0.0.0/0"), 22, 22, Transport::kTcp);
  ssh.name = "block[0]";
  return layer("mirrord:default/block-mirroring-from-boats-deployment", Vote::kDeny, {ssh, inside, metalbear});
}

TEST(EvaluateTest, MirrordSeedExample) {
  const LinkedStack stack = link({mirrord_example()});
  const struct {
    const char* what;
    std::vector<std::string> names;
    const char* address;
    std::uint16_t port;
    Transport transport;
    Verdict expected;
    const char* rule;
  } kCases[] = {
      {"http inside", {}, "10.0.0.1", 80, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"https inside", {}, "10.0.255.255", 443, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"dns inside", {}, "10.0.1.1", 53, Transport::kUdp, Verdict::kAllow, "allow[0]"},
      {"first address", {}, "10.0.0.0", 443, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"the exception", {}, "10.0.5.1", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"the exception's first", {}, "10.0.5.0", 80, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"the exception's last", {}, "10.0.5.255", 80, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"before the exception", {}, "10.0.4.255", 80, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"after the exception", {}, "10.0.6.0", 80, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"a port off", {}, "10.0.0.1", 81, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"a port off below", {}, "10.0.0.1", 79, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"dns over tcp", {}, "10.0.0.1", 53, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"https over udp", {}, "10.0.0.1", 443, Transport::kUdp, Verdict::kDeny, "unmatched"},
      {"outside the block", {}, "10.1.0.1", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"below the block", {}, "9.255.255.255", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"ssh inside", {}, "10.0.0.1", 22, Transport::kTcp, Verdict::kDeny, "block[0]"},
      {"ssh anywhere", {}, "203.0.113.5", 22, Transport::kTcp, Verdict::kDeny, "block[0]"},
      {"ssh over udp", {}, "10.0.0.1", 22, Transport::kUdp, Verdict::kDeny, "unmatched"},
      {".co", {"metalbear.co"}, "203.0.113.5", 443, Transport::kTcp, Verdict::kAllow, "allow[1]"},
      {".com", {"metalbear.com"}, "203.0.113.5", 443, Transport::kTcp, Verdict::kAllow, "allow[1]"},
      {"look-alike suffix", {"metalbear.company"}, "203.0.113.5", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"look-alike prefix", {"xmetalbear.co"}, "203.0.113.5", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"subdomain", {"www.metalbear.co"}, "203.0.113.5", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"the name on another port", {"metalbear.co"}, "203.0.113.5", 80, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"the name over udp", {"metalbear.co"}, "203.0.113.5", 443, Transport::kUdp, Verdict::kDeny, "unmatched"},
      {"block over allow on 22", {"metalbear.co"}, "203.0.113.5", 22, Transport::kTcp, Verdict::kDeny, "block[0]"},
      {"the name's address without the name", {}, "203.0.113.5", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"icmp inside", {}, "10.0.0.1", 0, Transport::kIcmp, Verdict::kDeny, "unmatched"},
      {"ipv6 ssh is outside 0.0.0.0/0", {}, "2001:db8::1", 22, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"mapped ipv4 inside", {}, "::ffff:10.0.0.1", 443, Transport::kTcp, Verdict::kAllow, "allow[0]"},
      {"embedded ipv4 is never allowed", {}, "64:ff9b::10.0.0.1", 443, Transport::kTcp, Verdict::kDeny, "unmatched"},
      {"embedded ipv4 is blocked", {}, "64:ff9b::10.0.0.1", 22, Transport::kTcp, Verdict::kDeny, "block[0]"},
  };
  for (const auto& c : kCases) {
    const Decision decision = ask(stack, {c.names, c.address, c.port, c.transport, 0});
    EXPECT_EQ(decision.verdict, c.expected) << c.what;
    EXPECT_EQ(stack.rule_name(decision.layer, decision.rule), c.rule) << c.what;
    EXPECT_EQ(decision.reason, c.expected == Verdict::kAllow ? DenyReason::kNone : DenyReason::kPolicy) << c.what;
  }
}

// The four evaluation steps of the mirrord seed, each as a policy, under default action allow.
TEST(EvaluateTest, MirrordSeedSteps) {
  StackSettings permissive;
  permissive.default_action = Action::kAllow;
  const auto verdict = [&](Layer policy, const char* to) {
    return ask(link({std::move(policy)}, permissive), {{}, to}).verdict;
  };
  EXPECT_EQ(verdict(layer("m", Vote::kAbstain, {}), "203.0.113.5"), Verdict::kAllow);
  const Rule ten = allow_cidr("10.0.0.0/8");
  EXPECT_EQ(verdict(layer("m", Vote::kDeny, {ten}), "203.0.113.5"), Verdict::kDeny);
  EXPECT_EQ(verdict(layer("m", Vote::kDeny, {ten}), "10.0.0.1"), Verdict::kAllow);
  EXPECT_EQ(verdict(layer("m", Vote::kDeny, {block_cidr("10.0.5.0/24"), ten}), "10.0.5.1"), Verdict::kDeny);
  EXPECT_EQ(verdict(layer("m", Vote::kAbstain, {block_cidr("10.0.5.0/24")}), "10.0.5.1"), Verdict::kDeny);
  EXPECT_EQ(verdict(layer("m", Vote::kAbstain, {block_cidr("10.0.5.0/24")}), "10.0.6.1"), Verdict::kAllow);
}

TEST(EvaluateTest, LayersVoteAndTheFirstDenialDecides) {
  const Layer global =
      layer("egress", Vote::kAbstain, {allow_hosts({"api.stripe.com"}), block_hosts({"evil.example"})});
  const Layer leaf = layer("namespace:prod/payments/eu", Vote::kDeny, {allow_hosts({"api.bank.eu"})});
  const Layer parent =
      layer("namespace:prod/payments", Vote::kDeny, {allow_hosts({"api.stripe.com"}), allow_hosts({"api.bank.eu"})});
  const LinkedStack stack = link({global, leaf, parent});
  const auto layer_of = [&](const char* name, Verdict expected) {
    const Decision decision = ask(stack, {{name}});
    EXPECT_EQ(decision.verdict, expected) << name;
    return std::string(stack.layer_id(decision.layer));
  };
  EXPECT_EQ(layer_of("api.bank.eu", Verdict::kAllow), "namespace:prod/payments/eu");
  EXPECT_EQ(layer_of("api.stripe.com", Verdict::kDeny), "namespace:prod/payments/eu");
  EXPECT_EQ(layer_of("evil.example", Verdict::kDeny), "egress");
  EXPECT_EQ(layer_of("other.example", Verdict::kDeny), "namespace:prod/payments/eu");
}

TEST(EvaluateTest, ABlockAtTheRootBeatsAnAllowAtTheLeaf) {
  const LinkedStack stack = link({layer("namespace:prod", Vote::kDeny, {allow_hosts({"api.a.com"})}),
                                  layer("namespace:/", Vote::kAbstain, {block_hosts({"**.a.com"})})});
  const Decision decision = ask(stack, {{"api.a.com"}});
  EXPECT_EQ(decision.verdict, Verdict::kDeny);
  EXPECT_EQ(stack.layer_id(decision.layer), "namespace:/");
  EXPECT_TRUE(decision.by_rule);
}

TEST(EvaluateTest, TheDefaultActionDecidesWhenAllAbstain) {
  const Layer silent = layer("egress", Vote::kAbstain, {});
  EXPECT_EQ(ask(link({silent}), {}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(link({silent}), {}).layer, kNoLayer);
  StackSettings permissive;
  permissive.default_action = Action::kAllow;
  EXPECT_EQ(ask(link({silent}, permissive), {}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(link({}, permissive), {}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, TheFirstRuleAsWrittenIsNamed) {
  const LinkedStack stack = link({layer(
      "egress", Vote::kAbstain, {block_hosts({"**.a.com"}), block_hosts({"x.a.com"}), allow_hosts({"x.a.com"})})});
  EXPECT_EQ(ask(stack, {{"x.a.com"}}).rule, 0u);
}

TEST(EvaluateTest, PortRangesIncludeBothEnds) {
  const LinkedStack stack = link({layer("g", Vote::kDeny, {with_port(allow_cidr("0.0.0.0/0"), 8000, 8099)})});
  for (const auto& [port, expected] :
       {std::pair{7999, Verdict::kDeny}, {8000, Verdict::kAllow}, {8099, Verdict::kAllow}, {8100, Verdict::kDeny}}) {
    EXPECT_EQ(ask(stack, {{}, "203.0.113.5", static_cast<std::uint16_t>(port)}).verdict, expected) << port;
  }
}

TEST(EvaluateTest, HostsAndCidrsOfOneRuleAreBothNeeded) {
  Rule both = allow_hosts({"db.internal"});
  both.cidrs.push_back({cidr("10.0.0.0/8"), {}});
  Rule other = allow_hosts({"web.internal"});
  other.cidrs.push_back({cidr("192.168.0.0/16"), {}});
  const LinkedStack stack = link({layer("g", Vote::kDeny, {both, other})});
  EXPECT_EQ(ask(stack, {{"db.internal"}, "10.0.0.1"}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(stack, {{"db.internal"}, "203.0.113.5"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(stack, {{}, "10.0.0.1"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(stack, {{"db.internal"}, "192.168.0.1"}).verdict, Verdict::kDeny) << "pairs must not mix";
  EXPECT_EQ(ask(stack, {{"web.internal"}, "192.168.0.1"}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, RulesWithoutHostsOrCidrsMatchEverywhere) {
  Rule dns;
  dns.action = Action::kDeny;
  dns.name = "block dns";
  dns.ports.push_back({std::nullopt, {53, 53}});
  const LinkedStack stack = link({layer("g", Vote::kAllow, {dns})});
  EXPECT_EQ(ask(stack, {{}, "2001:db8::1", 53, Transport::kUdp}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(stack, {{"a.com"}, "203.0.113.5", 53}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(stack, {{}, "203.0.113.5", 54}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(stack, {{}, "203.0.113.5", 53, Transport::kIcmp}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, RulesExpireByThemselves) {
  Rule rule = allow_hosts({"a.com"});
  rule.expires_at_ms = 1000;
  const LinkedStack stack = link({layer("egress", Vote::kAbstain, {rule})});
  EXPECT_EQ(ask(stack, {{"a.com"}, "203.0.113.5", 443, Transport::kTcp, 999}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(stack, {{"a.com"}, "203.0.113.5", 443, Transport::kTcp, 1000}).verdict, Verdict::kDeny);
}

TEST(EvaluateTest, RequireAuthDeniesTheUnauthenticated) {
  Rule rule = allow_hosts({"a.com"});
  rule.require_auth = true;
  const Layer global = layer("egress", Vote::kAbstain, {rule});
  const Layer names_it_too = layer("namespace:x", Vote::kDeny, {allow_hosts({"a.com"})});
  const Decision decision = ask(link({global, names_it_too}), {{"a.com"}});
  EXPECT_EQ(decision.verdict, Verdict::kDeny);
  EXPECT_EQ(decision.reason, DenyReason::kAuthRequired);
  EXPECT_EQ(decision.layer, 0);
  Workload authenticated;
  authenticated.authenticated = true;
  EXPECT_EQ(ask(link({global, names_it_too}, {}, authenticated), {{"a.com"}}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, SelectorsLimitRulesToWorkloads) {
  Rule rule = allow_hosts({"a.com"});
  rule.workloads = WorkloadMatch{{{"team", SelectorOperator::kIn, {"pay"}}}, std::nullopt};
  const Layer only = layer("g", Vote::kDeny, {rule});
  Workload pay;
  pay.labels = {{"team", "pay"}};
  EXPECT_EQ(ask(link({only}, {}, pay), {{"a.com"}}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(link({only}), {{"a.com"}}).verdict, Verdict::kDeny);
}

TEST(EvaluateTest, LoopbackPassesUnlessARuleBlocksIt) {
  const Layer closed = layer("namespace:x", Vote::kDeny, {block_cidr("127.0.0.2/32"), block_hosts({"bad.localhost"})});
  const LinkedStack passing = link({closed});
  EXPECT_EQ(ask(passing, {{}, "127.0.0.1"}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(passing, {{}, "::1"}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(passing, {{}, "0.0.0.0"}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(passing, {{}, "127.0.0.2"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(passing, {{"bad.localhost"}, "127.0.0.1"}).verdict, Verdict::kDeny);
  StackSettings enforcing;
  enforcing.loopback = LoopbackMode::kEnforce;
  EXPECT_EQ(ask(link({closed}, enforcing), {{}, "127.0.0.1"}).verdict, Verdict::kDeny);
}

TEST(EvaluateTest, LinkLocalNeedsAnAddressRule) {
  const LinkedStack named = link({layer("g", Vote::kDeny, {allow_hosts({"metadata.internal"})})});
  EXPECT_EQ(ask(named, {{"metadata.internal"}, "169.254.169.254"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(named, {{"metadata.internal"}, "fe80::1"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(named, {{"metadata.internal"}, "64:ff9b::169.254.169.254"}).verdict, Verdict::kDeny);
  EXPECT_EQ(ask(named, {{"metadata.internal"}, "203.0.113.5"}).verdict, Verdict::kAllow);
  const LinkedStack addressed = link({layer("g", Vote::kDeny, {allow_cidr("169.254.169.254/32")})});
  EXPECT_EQ(ask(addressed, {{"metadata.internal"}, "169.254.169.254"}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, TheControlPlaneIsRefusedWhateverThePolicy) {
  StackSettings settings;
  settings.default_action = Action::kAllow;
  settings.mode = Mode::kShadow;
  settings.control_plane = {{address("127.0.0.1"), 8443}};
  const LinkedStack stack = link({layer("g", Vote::kAllow, {})}, settings);
  const Decision decision = ask(stack, {{}, "127.0.0.1", 8443});
  EXPECT_EQ(decision.verdict, Verdict::kDeny);
  EXPECT_EQ(decision.reason, DenyReason::kControlPlane);
  EXPECT_EQ(ask(stack, {{}, "0.0.0.0", 8443}).reason, DenyReason::kControlPlane);
  EXPECT_EQ(ask(stack, {{}, "::ffff:127.0.0.1", 8443}).reason, DenyReason::kControlPlane);
  EXPECT_EQ(ask(stack, {{}, "127.0.0.1", 8444}).verdict, Verdict::kAllow);
}

TEST(EvaluateTest, SyntheticAddressesAreAlwaysDenied) {
  StackSettings settings;
  settings.default_action = Action::kAllow;
  const LinkedStack open = link({layer("g", Vote::kAllow, {})}, settings);
  EXPECT_EQ(ask(open, {{}, "240.0.0.2"}).verdict, Verdict::kDeny);
  const LinkedStack closed = link({layer("g", Vote::kDeny, {allow_hosts({"a.com"})})});
  const Decision decision = ask(closed, {{"evil.example"}, "240.0.0.2"});
  EXPECT_EQ(decision.verdict, Verdict::kDeny);
  EXPECT_EQ(decision.layer, 0) << "the layer that refused the name is named";
  EXPECT_EQ(decision.name_id, 1u);
}

TEST(EvaluateTest, ShadowAndDiscoveryLetPass) {
  for (const Mode mode : {Mode::kShadow, Mode::kDiscovery}) {
    StackSettings settings;
    settings.mode = mode;
    const LinkedStack stack = link({layer("g", Vote::kDeny, {allow_hosts({"a.com"})})}, settings);
    const Decision decision = ask(stack, {{"b.com"}});
    EXPECT_EQ(decision.verdict, Verdict::kWouldDeny);
    EXPECT_EQ(decision.reason, DenyReason::kPolicy);
    EXPECT_EQ(ask(stack, {{"a.com"}}).verdict, Verdict::kAllow);
  }
}

TEST(EvaluateTest, AQuarantineEnforcesInEveryMode) {
  StackSettings settings;
  settings.mode = Mode::kShadow;
  Layer blocked = quarantine("namespace:q");
  blocked.rules.push_back(block_hosts({"b.com"}));
  for (const Layer& q : {quarantine("namespace:q"), blocked}) {
    const LinkedStack stack = link({layer("egress", Vote::kAbstain, {block_hosts({"b.com"})}), q}, settings);
    for (const char* name : {"a.com", "b.com"}) {
      const Decision decision = ask(stack, {{name}});
      EXPECT_EQ(decision.verdict, Verdict::kDeny) << name;
      EXPECT_EQ(stack.layer_id(decision.layer), "namespace:q") << name;
    }
    EXPECT_EQ(ask(stack, {}).verdict, Verdict::kDeny);
  }
}

TEST(EvaluateTest, EveryNameOfAnAddressIsACandidate) {
  const LinkedStack stack = link({layer("g", Vote::kDeny, {allow_hosts({"good.com"}), block_hosts({"bad.com"})})});
  const Decision both = ask(stack, {{"unlisted.com", "good.com"}});
  EXPECT_EQ(both.verdict, Verdict::kAllow);
  EXPECT_EQ(both.name_id, 2u);
  EXPECT_EQ(ask(stack, {{"good.com", "bad.com"}}).verdict, Verdict::kDeny) << "a block on any name wins";
  const Decision neither = ask(stack, {{"unlisted.com", "other.com"}});
  EXPECT_EQ(neither.verdict, Verdict::kDeny);
  EXPECT_EQ(neither.name_id, 1u) << "the first candidate's denial is the one recorded";
}

TEST(EvaluateTest, ANamelessAllowNeverRescuesDeniedNames) {
  // Nothing but names decides here: nameless, the address would pass.
  StackSettings permissive;
  permissive.default_action = Action::kAllow;
  const LinkedStack stack = link({layer("g", Vote::kAbstain, {block_hosts({"bad.com"})})}, permissive);
  EXPECT_EQ(ask(stack, {}).verdict, Verdict::kAllow);
  EXPECT_EQ(ask(stack, {{"bad.com"}}).verdict, Verdict::kDeny);
}

TEST(EvaluateTest, AnUnlabelledNameDenies) {
  StackSettings permissive;
  permissive.default_action = Action::kAllow;
  const LinkedStack stack = link({}, permissive);
  ConnectTable table;
  ASSERT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  Candidate candidate;
  candidate.labelled = false;
  const ConnectionFacts facts{address("203.0.113.5"), 443, Transport::kTcp, 0};
  EXPECT_EQ(evaluate(table, facts, std::span(&candidate, 1)).verdict, Verdict::kDeny);
}

TEST(EvaluateTest, NoPolicyDeniesEverything) {
  const LinkedStack stack = link_no_policy(NoPolicyCause::kNamespaceUnknown, {});
  for (const char* to : {"203.0.113.5", "127.0.0.1", "::1", "240.0.0.1"}) {
    const Decision decision = ask(stack, {{}, to});
    EXPECT_EQ(decision.verdict, Verdict::kDeny) << to;
    EXPECT_EQ(decision.reason, DenyReason::kNoPolicy);
    EXPECT_EQ(decision.no_policy, NoPolicyCause::kNamespaceUnknown);
  }
}

TEST(EvaluateTest, TornTablesNeverReadOutside) {
  const LinkedStack stack = link({mirrord_example()});
  std::uint64_t state = 42;
  for (int round = 0; round < 20'000; ++round) {
    // An exact-size copy, so that a sanitizer sees any read past it.
    std::vector<std::byte> bytes = stack.connect_table;
    for (int flips = 0; flips < 8; ++flips) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[(state >> 33) % bytes.size()] = static_cast<std::byte>(state >> 20);
    }
    ConnectTable table;
    if (!table.open(bytes.data(), bytes.size())) continue;
    const RuleRef label[] = {{1, 1}, {7, 2}};
    const Candidate candidate{label, 1, true};
    for (const char* to : {"10.0.0.1", "10.0.5.1", "2001:db8::1", "64:ff9b::10.0.0.1"}) {
      evaluate(table, {address(to), 443, Transport::kTcp, 0}, std::span(&candidate, 1));
    }
    evaluate_raw_socket(table);
  }
}

TEST(EvaluateTest, ForeignBytesAreNotATable) {
  const LinkedStack stack = link({mirrord_example()});
  ConnectTable table;
  EXPECT_FALSE(table.open(nullptr, 0));
  EXPECT_FALSE(table.open(stack.connect_table.data(), stack.connect_table.size() - 1));
  EXPECT_FALSE(table.open(stack.connect_table.data(), 10));
  std::vector<std::byte> zeros(4096);
  EXPECT_FALSE(table.open(zeros.data(), zeros.size()));
}

}  // namespace
}  // namespace egress
