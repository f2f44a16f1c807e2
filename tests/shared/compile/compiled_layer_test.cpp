#include "shared/compile/compiled_layer.h"

#include <gtest/gtest.h>

#include <random>

#include "shared/net/cidr.h"

namespace egress {
namespace {

Layer full_layer() {
  Layer layer;
  layer.id = "mirrord:default/everything";
  layer.unmatched = Vote::kDeny;
  Rule rule;
  rule.name = "spec.network.outgoing.allow[0]";
  rule.hosts = {{HostPatternKind::kExact, "a.com", {}}, {HostPatternKind::kRegex, "^b$", {}}};
  rule.cidrs = {{parse_cidr("10.0.0.0/8").value().cidr, {parse_cidr("10.1.0.0/16").value().cidr}}};
  rule.ports = {{Transport::kTcp, {80, 443}}, {std::nullopt, {53, 53}}};
  rule.protocol = Transport::kUdp;
  rule.workloads = WorkloadMatch{{{"k", SelectorOperator::kIn, {"v", "w"}}}, "deployment/*"};
  rule.expires_at_ms = 12345;
  rule.require_auth = true;
  layer.rules = {rule, Rule{}};
  layer.rules[1].name = "allow all";
  return layer;
}

TEST(CompiledLayerTest, EqualLayersGiveEqualBytes) {
  EXPECT_EQ(compile_layer(full_layer()), compile_layer(full_layer()));
  Layer changed = full_layer();
  changed.rules[0].ports[0].range.last = 444;
  EXPECT_NE(compile_layer(full_layer()), compile_layer(changed));
}

TEST(CompiledLayerTest, LoadsWhatItCompiled) {
  const CompiledLayer layer = CompiledLayer::load(compile_layer(full_layer())).value();
  EXPECT_EQ(layer.id(), "mirrord:default/everything");
  EXPECT_EQ(layer.rule_count(), 2u);
  EXPECT_EQ(layer.rule_name(0), "spec.network.outgoing.allow[0]");
  EXPECT_EQ(layer.rule_name(1), "allow all");
  EXPECT_EQ(layer.rule_name(2), "unmatched");
}

TEST(CompiledLayerTest, RefusesForeignAndTruncatedBytes) {
  EXPECT_FALSE(CompiledLayer::load({}));
  EXPECT_FALSE(CompiledLayer::load(std::vector<std::byte>(4096)));
  const auto whole = compile_layer(full_layer());
  constexpr std::size_t kMaxPaddingBytes = 3;  // FlatBuffers' own, after the last string; the hash covers it
  for (std::size_t size = 0; size + kMaxPaddingBytes < whole.size(); ++size) {
    EXPECT_FALSE(CompiledLayer::load({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  }
}

TEST(CompiledLayerTest, RefusesRulesThatNoCompilerWrites) {
  const auto refuses = [](auto&& spoil, const char* why) {
    Layer layer = full_layer();
    spoil(layer.rules[0]);
    const auto loaded = CompiledLayer::load(compile_layer(layer));
    ASSERT_FALSE(loaded) << why;
    EXPECT_NE(loaded.error().message.find(why), std::string::npos) << loaded.error().message;
    EXPECT_NE(loaded.error().message.find("rule 0 of layer mirrord:default/everything"), std::string::npos);
  };
  refuses([](Rule& r) { r.cidrs[0].cidr.prefix = 33; }, "CIDR that is not canonical");
  refuses([](Rule& r) { r.cidrs[0].cidr.base.low |= 1; }, "CIDR that is not canonical");
  refuses([](Rule& r) { r.cidrs[0].except[0].ipv4 = false; }, "excepted CIDR");
  refuses([](Rule& r) { r.ports[0].range = {443, 80}; }, "port range");
  refuses([](Rule& r) { r.ports[0].range = {0, 80}; }, "port range");
  refuses([](Rule& r) { r.protocol = Transport::kIcmp; }, "protocol");
  refuses([](Rule& r) { r.hosts[0].text = "A.com"; }, "host pattern");
  refuses([](Rule& r) { r.hosts[0].text = "a..com"; }, "host pattern");
  refuses([](Rule& r) { r.hosts[1].text = std::string(2000, 'a'); }, "host pattern");
  refuses([](Rule& r) { r.action = Action::kDeny; }, "require_auth");
  refuses([](Rule& r) { r.workloads->terms[0].op = static_cast<SelectorOperator>(9); }, "selector operator");
}

TEST(CompiledLayerTest, CorruptBytesAreRefusedOrHarmless) {
  const auto whole = compile_layer(full_layer());
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = whole;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    const auto loaded = CompiledLayer::load(std::move(bytes));
    if (!loaded) continue;
    for (std::size_t i = 0; i < loaded->rule_count() && i < 10; ++i)
      EXPECT_LE(loaded->rule_name(i).size(), whole.size());
  }
}

}  // namespace
}  // namespace egress
