#include "server/store/sqlite/search_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace egress::server {
namespace {

HostPattern pattern(const std::string& text) { return parse_host_pattern(text).value().pattern; }

TEST(SearchKeyTest, IsWhatTheStoreKeeps) {
  EXPECT_EQ(search_key(pattern("api.example.com")), "com.example.api.!");
  EXPECT_EQ(search_key(pattern("*.example.com")), "com.example.#");
  EXPECT_EQ(search_key(pattern("**.example.com")), "com.example.$");
  EXPECT_EQ(search_key(pattern("localhost")), "localhost.!");
  EXPECT_EQ(search_key(pattern("10.0.0.0/8")), ":40a00000008");
  EXPECT_EQ(search_key(pattern("10.1.2.3")), ":40a01020320");
  EXPECT_EQ(search_key(pattern("2001:db8::/32")), ":620010db800000000000000000000000020");
}

TEST(SearchKeyTest, IsParsedBack) {
  for (const char* text : {"a", "a.b", "*.a-b.c_d.e", "**.x1.y", "0.0.0.0/0", "255.255.255.255", "10.0.0.0/31", "::/0",
                           "2001:db8::1", "fe80::/10"}) {
    const HostPattern original = pattern(text);
    const auto parsed = parse_search_key(search_key(original));
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, original) << text;
  }
  const HostPattern regex{HostPatternKind::kRegex, "^a.*b$", {}};
  EXPECT_EQ(parse_search_key(search_key(regex)).value(), regex);
}

TEST(SearchKeyTest, WhatIsNoKeyIsCorrupt) {
  for (const char* text : {"", "!", ".!", "com", "com.", "com.?", "com!", ":4", ":40a0000008", ":4zz00000008",
                           ":40a00000021", ":60a00000008", ":50a00000008"}) {
    const auto parsed = parse_search_key(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt) << text;
  }
}

// A small universe, so that coverage happens often: names of up to four labels, one of which sorts before a dot's
// neighbours, and nested CIDRs of both families.
std::vector<HostPattern> universe() {
  std::vector<std::string> names;
  const std::vector<std::string> labels{"a", "b", "0", "a-b", "_c"};
  for (const auto& one : labels) {
    names.push_back(one);
    for (const auto& two : labels) {
      names.push_back(two + "." + one);
      for (const auto& three : labels) {
        names.push_back(three + "." + two + "." + one);
        names.push_back("a." + three + "." + two + "." + one);
      }
    }
  }
  std::vector<HostPattern> all;
  for (const auto& name : names) {
    for (const auto kind : {HostPatternKind::kExact, HostPatternKind::kOneLabel, HostPatternKind::kAnyLabels}) {
      all.push_back({kind, name, {}});
    }
  }
  for (const char* base : {"0.0.0.0", "10.0.0.0", "10.0.0.1", "10.128.0.0", "10.255.255.255", "255.255.255.255"}) {
    for (const char* prefix : {"/0", "/8", "/9", "/31", "/32"}) all.push_back(pattern(std::string(base) + prefix));
  }
  for (const char* base : {"::", "::fffe:0:1", "2001:db8::", "2001:db8:8000::1", "ffff::ffff"}) {
    for (const char* prefix : {"/0", "/1", "/32", "/33", "/64", "/65", "/127", "/128"}) {
      all.push_back(pattern(std::string(base) + prefix));
    }
  }
  return all;
}

// Walking the keys as the store does finds exactly what no pattern of the list covers.
TEST(KeyCoverageTest, AgreesWithCoversOnRandomLists) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto all = universe();
  std::vector<std::pair<std::string, HostPattern>> keys;
  for (const HostPattern& one : all) keys.emplace_back(search_key(one), one);
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t covered_pairs = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<HostPattern> list;
    for (std::size_t i = random() % 12; i > 0; --i) list.push_back(all[random() % all.size()]);
    const KeyCoverage coverage(list);
    std::string until;
    for (const auto& [key, one] : keys) {
      const bool covered =
          std::any_of(list.begin(), list.end(), [&](const HostPattern& by) { return covers(by, one); });
      const auto direct = coverage.covered_until(one, key);
      ASSERT_EQ(direct.has_value(), covered) << key;
      if (key <= until) {
        ASSERT_TRUE(covered) << key << " was passed over, up to " << until;
        continue;
      }
      if (direct) {
        ASSERT_GE(*direct, key);
        until = *direct;
      }
      covered_pairs += covered ? 1 : 0;
    }
  }
  EXPECT_GT(covered_pairs, 1000U) << "lists that cover nothing prove nothing";
}

}  // namespace
}  // namespace egress::server
