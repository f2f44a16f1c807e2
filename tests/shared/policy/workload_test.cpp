#include "shared/policy/workload.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

TEST(WorkloadTest, ParsesLabels) {
  const auto labels = parse_labels("team=pay,tier=").value();
  EXPECT_EQ(labels.at("team"), "pay");
  EXPECT_EQ(labels.at("tier"), "");
  EXPECT_TRUE(parse_labels("").value().empty());
  for (const char* text : {"a", "=b", "a=b,", "a=b,,c=d", "a=b,a=c"}) EXPECT_FALSE(parse_labels(text)) << text;
  EXPECT_FALSE(parse_labels("a=" + std::string(256, 'x')));
}

TEST(WorkloadTest, KnowsNamesTargetsAndLabels) {
  for (const char* name : {"web", "a", "deployment/web-1", "w\xc3\xa9"}) EXPECT_TRUE(is_workload_name(name)) << name;
  EXPECT_TRUE(is_workload_name(std::string(253, 'x')));
  for (const std::string& text :
       {std::string("a b"), std::string("a\nb"), std::string("\x7f"), std::string(254, 'x')}) {
    EXPECT_FALSE(is_workload_name(text)) << text;
    EXPECT_FALSE(is_workload_target(text)) << text;
  }
  EXPECT_FALSE(is_workload_name(""));
  EXPECT_TRUE(is_workload_target(""));
  EXPECT_TRUE(is_label("team", "pay=a b"));
  EXPECT_TRUE(is_label("team", ""));
  for (const auto& [key, value] : std::initializer_list<std::pair<std::string, std::string>>{
           {"", "x"}, {"a=b", "x"}, {"a,b", "x"}, {"a", "x,y"}, {"a\n", "x"}, {"a", std::string(256, 'x')}}) {
    EXPECT_FALSE(is_label(key, value)) << key << " " << value;
  }
}

TEST(WorkloadTest, SelectorsAreKubernetes) {
  Workload workload;
  workload.labels = {{"team", "pay"}, {"tier", "web"}};
  workload.target = "deployment/boats";
  const auto selects = [&](SelectorTerm term) {
    return matches(WorkloadMatch{{std::move(term)}, std::nullopt}, workload);
  };
  EXPECT_TRUE(selects({"team", SelectorOperator::kIn, {"x", "pay"}}));
  EXPECT_FALSE(selects({"team", SelectorOperator::kIn, {"x"}}));
  EXPECT_FALSE(selects({"none", SelectorOperator::kIn, {"x"}}));
  EXPECT_TRUE(selects({"team", SelectorOperator::kNotIn, {"x"}}));
  EXPECT_TRUE(selects({"none", SelectorOperator::kNotIn, {"x"}}));
  EXPECT_FALSE(selects({"team", SelectorOperator::kNotIn, {"pay"}}));
  EXPECT_TRUE(selects({"tier", SelectorOperator::kExists, {}}));
  EXPECT_FALSE(selects({"none", SelectorOperator::kExists, {}}));
  EXPECT_TRUE(selects({"none", SelectorOperator::kDoesNotExist, {}}));
  EXPECT_FALSE(selects({"tier", SelectorOperator::kDoesNotExist, {}}));
  EXPECT_TRUE(matches(WorkloadMatch{{}, "deployment/*"}, workload));
  EXPECT_FALSE(matches(WorkloadMatch{{}, "pod/*"}, workload));
  EXPECT_FALSE(matches(WorkloadMatch{{{"team", SelectorOperator::kIn, {"pay"}}}, "pod/*"}, workload));
}

TEST(WorkloadTest, GlobsStayWithinASegment) {
  const struct {
    const char* glob;
    const char* text;
    bool expected;
  } kCases[] = {
      {"*", "abc", true},   {"*", "a/b", false},     {"a*c", "abbc", true},     {"a*c", "ab/c", false},
      {"*/*", "a/b", true}, {"*/*", "a/b/c", false}, {"a*b*c", "axbxbc", true}, {"", "", true},
      {"", "a", false},     {"**", "abc", true},     {"a", "a", true},          {"a", "b", false},
      {"*a", "ba", true},   {"*a", "b", false},      {"a*", "a", true},
  };
  for (const auto& c : kCases) EXPECT_EQ(matches_glob(c.glob, c.text), c.expected) << c.glob << " " << c.text;
}

}  // namespace
}  // namespace egress
