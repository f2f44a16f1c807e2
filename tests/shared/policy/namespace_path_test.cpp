#include "shared/policy/namespace_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace egress {
namespace {

using testing::ElementsAre;

TEST(NamespacePathTest, AcceptsPaths) {
  for (const char* text : {"/", "prod", "prod/payments", "prod/payments/eu-west", "a1/2b"}) {
    EXPECT_EQ(parse_namespace_path(text).value(), text);
  }
  EXPECT_TRUE(parse_namespace_path("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"));
  EXPECT_TRUE(parse_namespace_path(std::string(63, 'a')));
}

TEST(NamespacePathTest, RefusesEverythingElse) {
  for (const char* text : {"", "//", "/prod", "prod/", "prod//payments", "Prod", "prod_x", "-a", "a-", "a/-b", "a b",
                           "..", "prod/..", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"}) {
    EXPECT_FALSE(parse_namespace_path(text)) << text;
  }
  EXPECT_FALSE(parse_namespace_path(std::string(64, 'a')));
}

TEST(NamespacePathTest, KnowsTheTree) {
  EXPECT_EQ(parent_namespace("prod/payments/eu"), "prod/payments");
  EXPECT_EQ(parent_namespace("prod"), "/");
  EXPECT_EQ(parent_namespace("/"), "/");
  EXPECT_EQ(namespace_depth("/"), 0u);
  EXPECT_EQ(namespace_depth("prod/payments"), 2u);
  EXPECT_THAT(ancestor_namespaces("prod/payments/eu"), ElementsAre("prod/payments", "prod", "/"));
  EXPECT_THAT(ancestor_namespaces("/"), ElementsAre());
  EXPECT_TRUE(is_descendant_namespace("prod/payments", "prod"));
  EXPECT_TRUE(is_descendant_namespace("prod", "/"));
  EXPECT_FALSE(is_descendant_namespace("production", "prod"));
  EXPECT_FALSE(is_descendant_namespace("prod", "prod"));
  EXPECT_FALSE(is_descendant_namespace("/", "/"));
}

}  // namespace
}  // namespace egress
