#include "server/service/text_diff.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

std::string lines(int first, int last) {
  std::string text;
  for (int i = first; i <= last; ++i) text += std::to_string(i) + "\n";
  return text;
}

TEST(TextDiffTest, EqualTextsHaveNone) {
  EXPECT_EQ(unified_diff("a", "b", "", ""), "");
  EXPECT_EQ(unified_diff("a", "b", "x\ny\n", "x\ny\n"), "");
}

TEST(TextDiffTest, ShowsAChangeWithThreeLinesAroundIt) {
  EXPECT_EQ(unified_diff("old", "new", lines(1, 9), lines(1, 4) + "five\n" + lines(6, 9)),
            "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(TextDiffTest, WhatAppearsOrGoesIsOneSided) {
  EXPECT_EQ(unified_diff("/dev/null", "new", "", "a\nb\n"), "--- /dev/null\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(unified_diff("old", "/dev/null", "a\n", ""), "--- old\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
}

TEST(TextDiffTest, ChangesThatAreCloseShareAHunkAndOthersDoNot) {
  const std::string near = unified_diff("a", "b", lines(1, 20), "x\n" + lines(2, 7) + "y\n" + lines(9, 20));
  EXPECT_EQ(near, "--- a\n+++ b\n@@ -1,11 +1,11 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n 9\n 10\n 11\n");
  const std::string far = unified_diff("a", "b", lines(1, 20), "x\n" + lines(2, 8) + "y\n" + lines(10, 20));
  EXPECT_EQ(far,
            "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,7 +6,7 @@\n 6\n 7\n 8\n-9\n+y\n 10\n 11\n 12\n");
}

TEST(TextDiffTest, KeepsWhatIsCommonInBetween) {
  EXPECT_EQ(unified_diff("a", "b", "1\nx\n2\n3\n", "1\n2\ny\n3\n"),
            "--- a\n+++ b\n@@ -1,4 +1,4 @@\n 1\n-x\n 2\n+y\n 3\n");
}

TEST(TextDiffTest, ALargeDifferenceIsOneReplacement) {
  std::string before = "same\n";
  std::string after = "same\n";
  for (int i = 0; i < 3000; ++i) {
    before += "b" + std::to_string(i) + "\nshared\n";
    after += "a" + std::to_string(i) + "\nshared\n";
  }
  const std::string diff = unified_diff("a", "b", before, after);
  EXPECT_TRUE(diff.starts_with("--- a\n+++ b\n@@ -1,6001 +1,6001 @@\n same\n-b0\n-shared\n-b1\n"))
      << diff.substr(0, 99);
}

}  // namespace
}  // namespace egress::server
