#include "shared/net/host_pattern.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

HostPattern pattern(const char* text) { return parse_host_pattern(text).value().pattern; }

TEST(HostPatternTest, MatchesAsTheTableOfSection2Says) {
  const struct {
    const char* pattern;
    const char* name;
    bool expected;
  } kCases[] = {
      {"api.openai.com", "api.openai.com", true},   {"api.openai.com", "x.api.openai.com", false},
      {"API.OpenAI.com.", "api.openai.com", true},  {"*.openai.com", "api.openai.com", true},
      {"*.openai.com", "openai.com", false},        {"*.openai.com", "eu.api.openai.com", false},
      {"*.openai.com", "xopenai.com", false},       {"**.openai.com", "api.openai.com", true},
      {"**.openai.com", "eu.api.openai.com", true}, {"**.openai.com", "openai.com", false},
      {"**.openai.com", "notopenai.com", false},    {"10.0.0.0/8", "10.0.0.1", false},
  };
  for (const auto& c : kCases) EXPECT_EQ(matches(pattern(c.pattern), c.name), c.expected) << c.pattern << " " << c.name;
}

TEST(HostPatternTest, AddressesAreBlocks) {
  EXPECT_EQ(pattern("10.0.0.5").kind, HostPatternKind::kCidr);
  EXPECT_EQ(format_host_pattern(pattern("10.0.0.5")), "10.0.0.5");
  EXPECT_EQ(format_host_pattern(pattern("10.1.0.5/8")), "10.0.0.0/8");
  EXPECT_TRUE(parse_host_pattern("10.1.0.5/8").value().masked);
  EXPECT_EQ(format_host_pattern(pattern("2001:db8::/32")), "2001:db8::/32");
}

TEST(HostPatternTest, RefusesStarsElsewhere) {
  for (const char* text : {"", "*", "*.", "**", "**.", "a.*.b", "*a.com", "a*.com", "***.com", "*.*.com", "**.*.com",
                           "*.a..b", "1.2.3", "a.com/8", "*.10.0.0.1/8"}) {
    EXPECT_FALSE(parse_host_pattern(text)) << text;
  }
}

TEST(HostPatternTest, FormatsAsWritten) {
  for (const char* text : {"a.com", "*.a.com", "**.a.com", "10.0.0.0/8", "2001:db8::1"}) {
    EXPECT_EQ(format_host_pattern(pattern(text)), text);
  }
}

TEST(HostPatternTest, CoverageIsProvable) {
  const struct {
    const char* parent;
    const char* child;
    bool expected;
  } kCases[] = {
      {"a.com", "a.com", true},
      {"a.com", "b.com", false},
      {"*.a.com", "x.a.com", true},
      {"*.a.com", "a.com", false},
      {"*.a.com", "y.x.a.com", false},
      {"*.a.com", "*.a.com", true},
      {"*.a.com", "**.a.com", false},
      {"*.a.com", "*.x.a.com", false},
      {"**.a.com", "x.a.com", true},
      {"**.a.com", "y.x.a.com", true},
      {"**.a.com", "a.com", false},
      {"**.a.com", "*.a.com", true},
      {"**.a.com", "*.x.a.com", true},
      {"**.a.com", "**.a.com", true},
      {"**.a.com", "**.x.a.com", true},
      {"**.x.a.com", "**.a.com", false},
      {"**.a.com", "**.ba.com", false},
      {"a.com", "*.a.com", false},
      {"10.0.0.0/8", "10.1.0.0/16", true},
      {"10.0.0.0/8", "10.0.0.1", true},
      {"10.1.0.0/16", "10.0.0.0/8", false},
      {"10.0.0.0/8", "a.com", false},
      {"**.a.com", "10.0.0.1", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(covers(pattern(c.parent), pattern(c.child)), c.expected) << c.parent << " covers " << c.child;
  }
}

TEST(HostPatternTest, ARegexIsCoveredByItselfAlone) {
  const HostPattern regex{HostPatternKind::kRegex, "^a$", {}};
  const HostPattern other{HostPatternKind::kRegex, "^b$", {}};
  EXPECT_TRUE(covers(regex, regex));
  EXPECT_FALSE(covers(regex, other));
  EXPECT_FALSE(covers(regex, pattern("a")));
  EXPECT_FALSE(covers(pattern("**.com"), regex));
}

// Whatever a child matches, a parent that covers it matches too: over a small universe of patterns and names.
TEST(HostPatternTest, CoverageImpliesMatching) {
  std::vector<std::string> names;
  const char* labels[] = {"a", "b"};
  for (const char* x : labels) {
    names.push_back(x);
    for (const char* y : labels) {
      names.push_back(std::string(x) + "." + y);
      for (const char* z : labels) {
        names.push_back(std::string(x) + "." + y + "." + z);
        for (const char* w : labels) names.push_back(std::string(x) + "." + y + "." + z + "." + w);
      }
    }
  }
  std::vector<HostPattern> patterns;
  for (const std::string& name : names) {
    for (const char* stars : {"", "*.", "**."}) patterns.push_back(pattern((stars + name).c_str()));
  }
  for (const HostPattern& parent : patterns) {
    for (const HostPattern& child : patterns) {
      if (!covers(parent, child)) continue;
      for (const std::string& name : names) {
        if (matches(child, name)) {
          EXPECT_TRUE(matches(parent, name))
              << format_host_pattern(parent) << " covers " << format_host_pattern(child) << " but not " << name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace egress
