// The compiled evaluator against the naive one: random policies and connections drawn from pools small enough that
// rules overlap, nest and contradict each other. EGRESS_DIFFERENTIAL_PAIRS sets how many pairs, EGRESS_SEED which.
#include <gtest/gtest.h>

#include <random>

#include "tests/environment_setting.h"
#include "tests/shared/evaluate/reference_evaluator.h"

namespace egress {
namespace {

using namespace egress::testing;

constexpr const char* kHosts[] = {"a.com",
                                  "x.a.com",
                                  "y.x.a.com",
                                  "*.a.com",
                                  "**.a.com",
                                  "*.x.a.com",
                                  "**.x.a.com",
                                  "b.org",
                                  "**.b.org",
                                  "/^a/",
                                  "/\\.com$/",
                                  "/x/",
                                  "/^(a|b)\\.(com|org)$/"};
constexpr const char* kNames[] = {"a.com", "x.a.com", "y.x.a.com", "z.y.x.a.com",
                                  "b.org", "q.b.org", "ab.com",    "xa.com"};
constexpr const char* kCidrs[] = {"0.0.0.0/0",          "10.0.0.0/8",      "10.0.0.0/16", "10.0.5.0/24",  "10.0.5.5/32",
                                  "127.0.0.0/8",        "169.254.0.0/16",  "192.0.0.0/2", "240.0.0.0/4",  "::/0",
                                  "2001:db8::/32",      "2001:db8::1/128", "fe80::/10",   "64:ff9b::/96", "::1/128",
                                  "255.255.255.255/32", "0.0.0.0/32",      "128.0.0.0/1", "ffff::/16"};
constexpr const char* kAddresses[] = {"10.0.0.0",
                                      "10.0.5.5",
                                      "10.0.5.6",
                                      "10.0.255.255",
                                      "10.1.0.0",
                                      "9.255.255.255",
                                      "11.0.0.0",
                                      "127.0.0.1",
                                      "0.0.0.0",
                                      "169.254.169.254",
                                      "203.0.113.5",
                                      "240.0.0.9",
                                      "255.255.255.255",
                                      "2001:db8::1",
                                      "2001:db8::2",
                                      "2001:db9::",
                                      "fe80::1",
                                      "::1",
                                      "::",
                                      "64:ff9b::10.0.5.5",
                                      "2002:a00:505::",
                                      "::ffff:10.0.5.5",
                                      "::10.0.5.5",
                                      "64:ff9b::169.254.1.1",
                                      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
constexpr std::uint16_t kPorts[] = {1, 22, 79, 80, 81, 443, 8000, 8099, 65535};
constexpr Transport kTransports[] = {Transport::kTcp, Transport::kUdp, Transport::kIcmp, Transport::kOther};
constexpr UnixMillis kTimes[] = {0, 999, 1000, 1001};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  template <typename T, std::size_t N>
  const T& pick(const T (&pool)[N]) {
    return pool[random_() % N];
  }
  std::size_t below(std::size_t n) { return random_() % n; }

  Rule rule() {
    Rule result;
    result.action = chance(35) ? Action::kDeny : Action::kAllow;
    if (chance(60)) {
      for (std::size_t n = 1 + below(2); n > 0; --n) result.hosts.push_back(host(pick(kHosts)));
    }
    if (chance(50)) {
      for (std::size_t n = 1 + below(2); n > 0; --n) {
        CidrMatch match{cidr(pick(kCidrs)), {}};
        if (chance(30)) match.except.push_back(cidr(pick(kCidrs)));
        result.cidrs.push_back(match);
      }
    }
    if (chance(35)) {
      PortMatch match;
      if (chance(50)) match.protocol = chance(50) ? Transport::kTcp : Transport::kUdp;
      const std::uint16_t first = pick(kPorts);
      const std::uint16_t last = pick(kPorts);
      match.range = {std::min(first, last), std::max(first, last)};
      result.ports.push_back(match);
    }
    if (chance(15)) result.protocol = chance(50) ? Transport::kTcp : Transport::kUdp;
    if (chance(10)) result.expires_at_ms = 1000;
    if (chance(10)) result.workloads = WorkloadMatch{{{"team", SelectorOperator::kIn, {"pay"}}}, std::nullopt};
    if (chance(8) && result.action == Action::kAllow) result.require_auth = true;
    return result;
  }

  std::vector<Layer> layers() {
    std::vector<Layer> result(below(5));
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i].id = "layer" + std::to_string(i);
      result[i].unmatched = static_cast<Vote>(below(3));
      if (chance(10)) result[i].applies_to = WorkloadMatch{{{"team", SelectorOperator::kIn, {"pay"}}}, std::nullopt};
      for (std::size_t n = below(7); n > 0; --n) result[i].rules.push_back(rule());
      if (result[i].unmatched == Vote::kDeny && chance(10)) {
        std::erase_if(result[i].rules, [](const Rule& r) { return r.action == Action::kAllow; });
        result[i].quarantine = true;
      }
    }
    return result;
  }

  StackSettings settings() {
    StackSettings result;
    if (chance(40)) result.default_action = Action::kAllow;
    if (chance(40)) result.mode = chance(50) ? Mode::kShadow : Mode::kDiscovery;
    if (chance(50)) result.loopback = LoopbackMode::kEnforce;
    if (chance(20)) result.control_plane = {{address("127.0.0.1"), 443}};
    return result;
  }

  Workload workload() {
    Workload result;
    if (chance(50)) result.labels = {{"team", "pay"}};
    result.authenticated = chance(50);
    return result;
  }

  Question question() {
    Question result;
    for (std::size_t n = below(4); n > 0; --n) result.names.push_back(pick(kNames));
    result.address = pick(kAddresses);
    result.port = pick(kPorts);
    result.transport = pick(kTransports);
    result.now_ms = pick(kTimes);
    return result;
  }

 private:
  std::mt19937_64 random_;
};

std::string describe(const Question& question) {
  std::string text =
      question.address + ":" + std::to_string(question.port) + "/" + std::string(name_of(question.transport));
  for (const std::string& name : question.names) text += " " + name;
  return text + " at " + std::to_string(question.now_ms);
}

// What explain shows adds up to what the stack decides.
void check_votes(const LinkedStack& stack, const Question& question) {
  ConnectTable table;
  ASSERT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
  const ConnectionFacts facts{canonical(address(question.address)), question.port, question.transport, question.now_ms};
  if (is_loopback(facts.address)) return;  // evaluate_stack waives nothing
  const Decision decision = evaluate_stack(table, facts, nullptr);
  bool denied = false;
  bool allowed = false;
  for (std::uint16_t i = 0; i < stack.layers.size(); ++i) {
    const LayerVerdict says = evaluate_layer(table, facts, nullptr, i);
    denied = denied || says.vote == Vote::kDeny;
    allowed = allowed || says.vote == Vote::kAllow;
    if (i == decision.layer) {
      EXPECT_EQ(says.rule, decision.rule);
      EXPECT_EQ(says.vote == Vote::kAllow, decision.verdict == Verdict::kAllow);
    }
  }
  const bool by_default = static_cast<Action>(table.header().default_action) == Action::kAllow;
  EXPECT_EQ(decision.verdict == Verdict::kAllow, !denied && (allowed || by_default)) << describe(question);
}

TEST(DifferentialTest, CompiledAgreesWithNaive) {
  constexpr std::size_t kQuestionsPerPolicy = 50;
  const std::uint64_t pairs = setting("EGRESS_DIFFERENTIAL_PAIRS", 200'000);
  const std::uint64_t seed = setting("EGRESS_SEED", std::random_device{}());
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu, %llu pairs\n", static_cast<unsigned long long>(seed), static_cast<unsigned long long>(pairs));
  Generator generator(seed);
  std::size_t denials = 0;
  for (std::uint64_t done = 0; done < pairs; done += kQuestionsPerPolicy) {
    const auto layers = generator.layers();
    const StackSettings settings = generator.settings();
    const Workload workload = generator.workload();
    const LinkedStack stack = link(layers, settings, workload);
    for (std::size_t i = 0; i < kQuestionsPerPolicy; ++i) {
      const Question question = generator.question();
      const Decision compiled = ask(stack, question);
      const Decision naive = reference_ask(layers, settings, workload, question);
      ASSERT_EQ(compiled, naive) << "seed " << seed << ", policy " << done / kQuestionsPerPolicy << ": "
                                 << describe(question) << "; compiled says " << name_of(compiled.verdict)
                                 << " by layer " << compiled.layer << " rule " << compiled.rule << ", naive "
                                 << name_of(naive.verdict) << " by layer " << naive.layer << " rule " << naive.rule;
      denials += compiled.verdict == Verdict::kDeny ? 1 : 0;
      check_votes(stack, question);
    }
  }
  // Both outcomes must be common, or the comparison proves little.
  EXPECT_GT(denials, pairs / 10);
  EXPECT_LT(denials, pairs - pairs / 10);
}

TEST(DifferentialTest, CompiledAgreesWithNaiveOnRawSockets) {
  constexpr std::size_t kPolicies = 10'000;
  const std::uint64_t seed = setting("EGRESS_SEED", std::random_device{}());
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Generator generator(seed);
  std::size_t by_quarantine = 0;
  std::size_t by_verdict[3] = {};
  for (std::size_t policy = 0; policy < kPolicies; ++policy) {
    const auto layers = generator.layers();
    const StackSettings settings = generator.settings();
    const Workload workload = generator.workload();
    const Decision compiled = ask_raw_socket(link(layers, settings, workload));
    const Decision naive = reference_raw_socket(layers, settings, workload);
    ASSERT_EQ(compiled, naive) << "seed " << seed << ", policy " << policy << ": compiled says "
                               << name_of(compiled.verdict) << " by layer " << compiled.layer << ", naive "
                               << name_of(naive.verdict) << " by layer " << naive.layer;
    ++by_verdict[static_cast<std::size_t>(compiled.verdict)];
    by_quarantine += compiled.layer != kNoLayer ? 1 : 0;
  }
  // Each outcome must be common, or the comparison proves little.
  for (const std::size_t count : by_verdict) EXPECT_GT(count, kPolicies / 10);
  EXPECT_GT(by_quarantine, kPolicies / 50);
}

// Every policy of up to two rules over a universe small enough to write down, asked about every connection in it.
TEST(DifferentialTest, ExhaustiveSmallUniverse) {
  std::vector<Rule> rules;
  for (const Action action : {Action::kAllow, Action::kDeny}) {
    for (const char* name : {"", "a.com", "*.a.com", "**.a.com", "/^x/"}) {
      for (int block = 0; block < 3; ++block) {
        for (const bool with_ports : {false, true}) {
          Rule rule;
          rule.action = action;
          if (*name != '\0') rule.hosts.push_back(host(name));
          if (block > 0) rule.cidrs.push_back({cidr("10.0.0.0/8"), {}});
          if (block > 1) rule.cidrs[0].except.push_back(cidr("10.0.5.0/24"));
          if (with_ports) rule.ports.push_back({Transport::kTcp, {80, 80}});
          rules.push_back(rule);
        }
      }
    }
  }
  std::vector<Question> questions;
  for (const std::vector<std::string>& names :
       std::vector<std::vector<std::string>>{{}, {"a.com"}, {"x.a.com"}, {"a.com", "y.x.a.com"}}) {
    for (const char* to : {"10.0.4.255", "10.0.5.0", "11.0.0.0", "127.0.0.1", "169.254.1.1"}) {
      for (const int port : {80, 81}) {
        for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
          questions.push_back({names, to, static_cast<std::uint16_t>(port), transport, 0});
        }
      }
    }
  }
  const StackSettings settings;
  for (const Rule& first : rules) {
    for (const Rule& second : rules) {
      for (const Vote unmatched : {Vote::kAbstain, Vote::kAllow, Vote::kDeny}) {
        const std::vector<Layer> layers{{"g", unmatched, false, std::nullopt, {first, second}}};
        const LinkedStack stack = link(layers, settings);
        for (const Question& question : questions) {
          ASSERT_EQ(ask(stack, question), reference_ask(layers, settings, {}, question)) << describe(question);
        }
      }
    }
  }
}

// What is_reachable() promises, by brute force over the pools' addresses, every port where anything changes, and every
// transport: never "unreachable" for a name that some connection would be allowed for.
TEST(DifferentialTest, ReachabilityAgreesWithBruteForce) {
  const std::uint64_t seed = setting("EGRESS_SEED", std::random_device{}());
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Generator generator(seed);
  for (int round = 0; round < 120; ++round) {
    const auto layers = generator.layers();
    StackSettings settings = generator.settings();
    settings.mode = Mode::kEnforcement;
    settings.control_plane.clear();
    const LinkedStack stack = link(layers, settings);
    ConnectTable table;
    ASSERT_TRUE(table.open(stack.connect_table.data(), stack.connect_table.size()));
    for (const char* name : kNames) {
      bool allowed = false;
      for (const char* to : kAddresses) {
        const Address at = canonical(address(to));
        if (is_loopback(at) || is_synthetic(at) || at == address("255.255.255.255")) continue;
        for (const int port : {1, 2, 22, 23, 79, 80, 81, 82, 443, 444, 8000, 8001, 8099, 8100, 65535}) {
          for (const Transport transport : kTransports) {
            if (allowed) break;
            const Question question{{name}, to, static_cast<std::uint16_t>(port), transport, 0};
            allowed = reference_ask(layers, settings, {}, question).verdict == Verdict::kAllow;
          }
        }
      }
      const bool reachable = is_reachable(table, stack.names.find(name).value(), 0);
      if (allowed) {
        ASSERT_TRUE(reachable) << "seed " << seed << ", round " << round << ": " << name;
      }
    }
  }
}

}  // namespace
}  // namespace egress
