#include "preload/cli/answer_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace egress {
namespace {

const auto kAnswer = nlohmann::json::parse(R"({"text": "a\u001b[2J\nb", "number": 7, "less": -7, "part": 7.5,
                                               "big": 18446744073709551615, "none": null})");

TEST(AnswerFieldsTest, TextDoesNotSteerATerminal) {
  EXPECT_EQ(text_in(kAnswer, "text"), "a [2J b");
  for (const char* key : {"number", "none", "absent"}) EXPECT_EQ(text_in(kAnswer, key), "") << key;
}

TEST(AnswerFieldsTest, NumbersAreWholeAndNotNegative) {
  EXPECT_EQ(number_in(kAnswer, "number"), 7u);
  EXPECT_EQ(number_in(kAnswer, "big"), 18446744073709551615u);
  for (const char* key : {"less", "part", "text", "none", "absent"}) EXPECT_EQ(number_in(kAnswer, key), 0u) << key;
}

TEST(AnswerFieldsTest, WhatIsNoObjectHasNoMembers) {
  for (const char* text : {"[]", "null", "\"x\"", "7"}) {
    EXPECT_EQ(text_in(nlohmann::json::parse(text), "a"), "") << text;
    EXPECT_EQ(number_in(nlohmann::json::parse(text), "a"), 0u) << text;
  }
  EXPECT_EQ(text_in(nlohmann::json::parse("{", nullptr, false), "a"), "");
}

}  // namespace
}  // namespace egress
