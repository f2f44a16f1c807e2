#include "server/api/openapi/error_codes.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "server/api/openapi/resources.h"

namespace egress::server::openapi {
namespace {

// The codes that the sources can answer with, each with a file that does: the second argument of refuse(), Refusal and
// error_response(), the first of refuse_field(), and what stands for the errors of lower parts.
std::map<std::string, std::string> codes_in_sources() {
  const RE2 given(
      R"re((?:\b(?:refuse|Refusal(?: \w+)?|with_fields|error_response)\(\s*(?:(?:ErrorCode::\w+|\w+\.error\(\)\.code|\d{3}),\s*)|refuse_field\(\s*)"([a-z_]+)")re");
  const RE2 returned(R"re(return "([a-z]+_[a-z]+|conflict)";)re");
  std::map<std::string, std::string> codes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(EGRESS_SOURCE_DIR "/server")) {
    if (entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    std::stringstream buffer;
    buffer << file.rdbuf();
    const std::string source = buffer.str();
    const auto collect = [&](const RE2& pattern) {
      re2::StringPiece rest(source);
      std::string code;
      while (RE2::FindAndConsume(&rest, pattern, &code)) codes.emplace(code, entry.path().filename().string());
    };
    collect(given);
    if (entry.path().filename() == "refusal.cpp") collect(returned);
  }
  return codes;
}

TEST(ErrorCodesTest, EveryCodeOfTheSourcesStandsInTheTable) {
  std::set<std::string, std::less<>> listed;
  for (const ErrorCodeEntry& entry : error_codes()) {
    EXPECT_TRUE(listed.emplace(entry.code).second) << entry.code << " stands twice";
  }
  const auto used = codes_in_sources();
  for (const char* known : {"bad_request", "invalid_field", "child_widens_parent", "policy_tests_failed", "conflict"}) {
    EXPECT_TRUE(used.contains(known)) << known << " was not found: how the sources name codes has changed";
  }
  for (const auto& [code, file] : used) {
    EXPECT_TRUE(listed.contains(code)) << code << " of " << file << " is missing in openapi/error_codes.cpp";
  }
  for (const std::string_view code : listed) {
    EXPECT_TRUE(used.contains(std::string(code))) << code << " is listed and nothing answers it";
  }
}

TEST(ErrorCodesTest, WhatOperationsNameIsInTheTableToBeNamed) {
  std::set<std::string, std::less<>> named;
  for (const ErrorCodeEntry& entry : error_codes()) {
    if (entry.reach == Reach::kNamed) named.emplace(entry.code);
  }
  std::set<std::string, std::less<>> used;
  for (const Operation& operation : describe_resources().operations) {
    for (const std::string& code : operation.errors) {
      EXPECT_TRUE(named.contains(code)) << operation.id << " names " << code;
      used.insert(code);
    }
  }
  EXPECT_EQ(used, named);
}

TEST(ErrorCodesTest, StatusesAreErrors) {
  for (const ErrorCodeEntry& entry : error_codes()) {
    EXPECT_TRUE(entry.status >= 400 && entry.status < 600) << entry.code;
    EXPECT_FALSE(entry.meaning.empty()) << entry.code;
  }
}

}  // namespace
}  // namespace egress::server::openapi
