#include "preload/cli/policy_test_run.h"

#include <gtest/gtest.h>

#include "preload/agent/policy_file.h"

namespace egress {
namespace {

Expected<PolicyTestRun> run_of(const std::string& text) {
  const PolicyFile file = parse_policy_file(text, "default");
  EXPECT_TRUE(file.problems.empty());
  return run_policy_tests(file.documents, 0);
}

constexpr char kDomain[] = R"(
apiVersion: egress/v1
kind: EgressDomain
metadata: {name: api.example}
spec: {action: allow}
---
apiVersion: egress/v1
kind: Namespace
metadata: {name: prod}
spec: {allowed_domains: [other.example]}
---)";

std::string test_of(const std::string& spec) {
  return "\napiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: t}\nspec: {" + spec + "}\n---";
}

TEST(PolicyTestRunTest, PassesWhatIsAsExpected) {
  const auto run =
      run_of(kDomain + test_of(R"(namespace: default, allow: ["api.example:443"], deny: ["x.example:1/udp"])"));
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->tests, 1u);
  EXPECT_EQ(run->destinations, 2u);
  EXPECT_TRUE(run->failures.empty());
}

TEST(PolicyTestRunTest, AFailureNamesTheDecidingLayerAndRule) {
  const auto run =
      run_of(kDomain + test_of(R"(namespace: prod/payments, allow: ["api.example:443"], deny: ["other.example:443"])"));
  ASSERT_EQ(run->failures.size(), 2u);
  EXPECT_EQ(run->failures[0].test, "t");
  EXPECT_EQ(run->failures[0].destination, "api.example:443");
  EXPECT_EQ(run->failures[0].expected, "allow");
  EXPECT_EQ(run->failures[0].verdict, "deny");
  EXPECT_EQ(run->failures[0].layer, "namespace:prod");
  EXPECT_EQ(run->failures[0].rule, "unmatched");
  EXPECT_EQ(run->failures[1].expected, "deny");
  EXPECT_EQ(run->failures[1].verdict, "allow");
  EXPECT_EQ(run->failures[1].layer, "namespace:prod");
  EXPECT_EQ(run->failures[1].rule, "allow other.example");
  EXPECT_EQ(run->failures[1].document, "Namespace prod");
  EXPECT_EQ(run->failures[1].line, 7u);
}

TEST(PolicyTestRunTest, WhatShadowWouldDenyIsDenied) {
  const std::string shadow = "\napiVersion: egress/v1\nkind: Namespace\nmetadata: {name: /}\nspec: {mode: shadow}\n---";
  EXPECT_TRUE(run_of(shadow + test_of(R"(namespace: default, deny: ["x.example:443"])"))->failures.empty());
  EXPECT_EQ(run_of(shadow + test_of(R"(namespace: default, allow: ["x.example:443"])"))->failures.size(), 1u);
}

TEST(PolicyTestRunTest, AFileWithoutTestsIsAnError) {
  const auto run = run_of(kDomain);
  ASSERT_FALSE(run.has_value());
  EXPECT_NE(run.error().message.find("no PolicyTest"), std::string::npos);
}

}  // namespace
}  // namespace egress
