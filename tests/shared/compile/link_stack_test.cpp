#include "shared/compile/link_stack.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

CompiledLayer compiled(const Layer& layer) { return CompiledLayer::load(compile_layer(layer)).value(); }

Layer block_list(std::size_t names) {
  Layer layer;
  layer.id = "egress";
  for (std::size_t i = 0; i < names; ++i) {
    Rule rule;
    rule.action = Action::kDeny;
    rule.name = "block n" + std::to_string(i) + ".example";
    rule.hosts.push_back({HostPatternKind::kExact, "n" + std::to_string(i) + ".example", {}});
    layer.rules.push_back(std::move(rule));
  }
  return layer;
}

TEST(LinkStackTest, ABlockListOfNamesIsOneClause) {
  const LinkedStack small = link_stack({compiled(block_list(1))}, {}, {}, 1 << 20).value();
  const LinkedStack large = link_stack({compiled(block_list(50'000))}, {}, {}, 1 << 20).value();
  EXPECT_EQ(small.connect_table.size(), large.connect_table.size()) << "names must not reach the processes' table";
  const auto found = large.names.find("n49999.example").value();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(large.rule_name(0, found[0].rule), "block n49999.example");
}

TEST(LinkStackTest, IsDeterministic) {
  const auto table = [] { return link_stack({compiled(block_list(100))}, {}, {}, 1 << 20).value().connect_table; };
  EXPECT_EQ(table(), table());
}

TEST(LinkStackTest, RefusesATableThatDoesNotFit) {
  Layer layer;
  layer.id = "wide";
  for (std::uint32_t i = 0; i < 1000; ++i) {
    Rule rule;
    rule.cidrs.push_back({{make_ipv4(i << 12), 24, true}, {}});
    layer.rules.push_back(rule);
  }
  const auto linked = link_stack({compiled(layer)}, {}, {}, 8192);
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().code, ErrorCode::kTooLarge);
}

TEST(LinkStackTest, RefusesTooManyLayersAndBadRegexes) {
  Layer empty;
  empty.id = "empty";
  EXPECT_FALSE(link_stack(std::vector<CompiledLayer>(257, compiled(empty)), {}, {}, 1 << 20));
  EXPECT_TRUE(link_stack(std::vector<CompiledLayer>(256, compiled(empty)), {}, {}, 1 << 20));
  Layer bad;
  bad.id = "bad";
  bad.rules.resize(1);
  bad.rules[0].hosts.push_back({HostPatternKind::kRegex, "(", {}});
  const auto linked = link_stack({compiled(bad)}, {}, {}, 1 << 20);
  ASSERT_FALSE(linked);
  EXPECT_NE(linked.error().message.find("layer bad"), std::string::npos) << linked.error().message;
}

TEST(LinkStackTest, NamesWhatDecidedEvenWhenNothingDid) {
  const LinkedStack stack = link_stack({compiled(block_list(1))}, {}, {}, 1 << 20).value();
  EXPECT_EQ(stack.layer_id(0), "egress");
  EXPECT_EQ(stack.layer_id(kNoLayer), "default");
  EXPECT_EQ(stack.rule_name(0, kNoRule), "unmatched");
  EXPECT_EQ(stack.rule_name(kNoLayer, 0), "unmatched");
}

}  // namespace
}  // namespace egress
