// Facts from public test suites (the project's shared test data), where policy.md agrees with them. Each disagreement
// is listed with the sentence that decides it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "shared/net/cidr.h"
#include "shared/net/host_name.h"
#include "shared/net/host_pattern.h"

namespace egress {
namespace {

using nlohmann::json;

// By pattern or, for names, by input.
const std::map<std::string, std::string> kDisagreements = {
    {"*cilium.io", "policy.md 2: '*' elsewhere than in a leading label of its own is refused"},
    {"sub*.cilium.io", "policy.md 2: '*' elsewhere than in a leading label of its own is refused"},
    {"x..\xc3\x9f", "policy.md 2: an empty label is refused"},
    {"a\xe2\x80\xa0--", "policy.md 1: libidn2 decides, which follows IDNA 2008 in hyphens of U-labels"},
    {"-x.\xc3\x9f", "policy.md 1: libidn2 decides, which follows IDNA 2008 in hyphens of U-labels"},
    {"x-.\xc3\x9f", "policy.md 1: libidn2 decides, which follows IDNA 2008 in hyphens of U-labels"},
    {"\xd9\x8a.1", "policy.md 1: libidn2 decides, which has no bidi rule across labels"},
    {"\xd9\x86\xd8\xa7\xd9\x85\xd9\x87\xd8\xa7\xdb\x8c", "the vector's input lost the joiner that its expectation has"},
};

class VectorsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = std::filesystem::path(EGRESS_SOURCE_DIR) / "../shared/vectors/vectors.json";
    std::ifstream file(path);
    if (!file) GTEST_SKIP() << "the shared test data is not beside this checkout";
    vectors_ = json::parse(file)["vectors"];
    ASSERT_GT(vectors_.size(), 50u);
  }

  template <typename Check>
  void for_each(const std::string& kind, Check&& check) {
    int checked = 0;
    for (const json& vector : vectors_) {
      if (vector["kind"] != kind) continue;
      const std::string key = vector.value("pattern", json()).is_string() ? vector["pattern"].get<std::string>()
                              : vector.value("input", json()).is_string() ? vector["input"].get<std::string>()
                                                                          : "";
      if (kDisagreements.contains(key)) continue;
      check(vector);
      ++checked;
    }
    EXPECT_GE(checked, 5) << kind;
  }

  json vectors_;
};

TEST_F(VectorsTest, CidrsContain) {
  for_each("cidr_contains", [](const json& vector) {
    const std::string text = vector["pattern"];
    const std::string input = vector["input"];
    const auto block = parse_cidr(text);
    const auto inner = parse_cidr(input);
    ASSERT_TRUE(inner) << input;
    EXPECT_EQ(block && contains(block->cidr, inner->cidr), vector["expected"].get<bool>()) << text << " " << input;
  });
}

TEST_F(VectorsTest, HostPatternsMatch) {
  for_each("hostname_match", [](const json& vector) {
    const auto pattern = parse_host_pattern(vector["pattern"].get<std::string>());
    ASSERT_TRUE(pattern) << vector;
    EXPECT_EQ(matches(pattern->pattern, vector["input"].get<std::string>()), vector["expected"].get<bool>()) << vector;
  });
}

TEST_F(VectorsTest, DisagreementsAreRefused) {
  for (const auto& [text, reason] : kDisagreements) {
    if (reason.starts_with("policy.md 2")) {
      EXPECT_FALSE(parse_host_pattern(text)) << text << ": " << reason;
    }
  }
}

TEST_F(VectorsTest, NamesBecomeALabels) {
  for_each("to_ascii", [](const json& vector) {
    const std::string input = vector["input"];
    const auto name = parse_host_name(input);
    if (vector["expected"].is_null()) {
      EXPECT_FALSE(name) << input << " became " << *name;
      return;
    }
    std::string expected = vector["expected"];
    if (expected.ends_with('.')) expected.pop_back();  // policy.md 1: no trailing dot
    ASSERT_TRUE(name) << input << ": " << name.error().message;
    EXPECT_EQ(*name, expected);
  });
}

}  // namespace
}  // namespace egress
