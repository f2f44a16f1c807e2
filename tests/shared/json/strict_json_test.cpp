#include "shared/json/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace egress {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

TEST(StrictJsonTest, KeepsValuesAndTheOrderOfKeys) {
  constexpr std::string_view kText = R"({"z":1,"a":[true,null,-2,1.5,"\u00e9"],"m":{"k":{}}})";
  const auto document = parse_json(kText);
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(render_json(*document), R"({"z":1,"a":[true,null,-2,1.5,"é"],"m":{"k":{}}})");
}

TEST(StrictJsonTest, AcceptsScalarsAtTheTop) {
  EXPECT_EQ(*parse_json("7"), ordered_json(7));
  EXPECT_EQ(*parse_json(" \"x\" "), ordered_json("x"));
}

struct BadJson {
  std::string name;
  std::string text;
  std::string expected;
};

class StrictJsonRefusalTest : public ::testing::TestWithParam<BadJson> {};

TEST_P(StrictJsonRefusalTest, NamesTheProblem) {
  const auto document = parse_json(GetParam().text);
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(document.error().message, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    , StrictJsonRefusalTest,
    ::testing::Values(BadJson{"Empty", "", "line 1, column 1"}, BadJson{"Truncated", R"({"a":)", "line 1, column 6"},
                      BadJson{"TrailingText", "{} {}", "line 1"},
                      BadJson{"TrailingComma", R"({"a":1,})", "line 1, column 8"},
                      BadJson{"Comment", "{/*x*/}", "line 1"}, BadJson{"SingleQuotes", "{'a':1}", "line 1"},
                      BadJson{"InvalidUtf8", "\"\xff\"", "UTF-8"}, BadJson{"OverlongUtf8", "\"\xc0\xaf\"", "UTF-8"},
                      BadJson{"LoneSurrogate", R"("\ud800")", "surrogate"}, BadJson{"HugeNumber", "1e999", "overflow"},
                      BadJson{"DuplicateKey", R"({"a":1,"a":2})", R"(key "a" is given twice)"},
                      BadJson{"NestedDuplicateKey", R"({"a":{"b":[1,{"c":1,"d":0,"c":2}]}})",
                              R"(key "a.b[1].c" is given twice)"},
                      BadJson{"EscapedDuplicateKey", R"({"a":1,"\u0061":2})", R"(key "a" is given twice)"}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(StrictJsonTest, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth)));
  const auto deeper = parse_json(nested(kMaxJsonDepth + 1));
  ASSERT_FALSE(deeper);
  EXPECT_THAT(deeper.error().message, HasSubstr("deeper than 32"));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
}

TEST(StrictJsonTest, RendersWhatIsNotUtf8AsReplacementCharacters) {
  EXPECT_EQ(render_json(ordered_json(std::string("a\xff"))), "\"a\xef\xbf\xbd\"");
}

// Former bugs

TEST(StrictJsonTest, ANulByteIsNotTheEndOfTheText) {
  for (const std::string_view text : {std::string_view("{}\0", 3), std::string_view("{}\0{\"a\":1}", 10),
                                      std::string_view("\0{}", 3), std::string_view("{\"a\":1\0}", 8)}) {
    const auto document = parse_json(text);
    ASSERT_FALSE(document);
    EXPECT_THAT(document.error().message, HasSubstr("NUL"));
  }
}

}  // namespace
}  // namespace egress
