#include "preload/cli/manifest_text.h"

#include <gtest/gtest.h>

#include <fstream>

#include "preload/agent/policy_file.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

TEST(ManifestTextTest, ReadsAFileWhole) {
  const TempDirectory directory;
  const std::string path = directory.path() / "policy.yaml";
  const std::string text(200'000, 'x');
  std::ofstream(path) << text;
  const auto manifest = load_manifest_text(path, text.size());
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(manifest->name, path);
  EXPECT_EQ(manifest->text, text);
  EXPECT_EQ(load_manifest_text(path, text.size() - 1).error().code, ErrorCode::kTooLarge);
}

TEST(ManifestTextTest, WhatCannotBeReadIsNamed) {
  const auto absent = load_manifest_text("/no/such/file", 10);
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().message, "/no/such/file: cannot be read: No such file or directory");
  EXPECT_NE(load_manifest_text("/", 10).error().message.find("directory"), std::string::npos);
}

TEST(ManifestTextTest, ProblemsAndWarningsPointAtTheirLine) {
  const ManifestText manifest{"p.yaml", "a: 1\nb:  two\n"};
  EXPECT_EQ(render_problems({{1, 2, 5, "b", "is no number", "3"}, {1, 1, 1, "", "again", ""}}, manifest),
            "p.yaml:2:5: b: is no number (expected 3)\n  b:  two\n      ^\n"
            "p.yaml:1:1: again\n  a: 1\n  ^\n");
  EXPECT_EQ(render_warnings({{1, 1, 4, "a", "is not enforced", ""}}, manifest),
            "p.yaml:1:4: a: warning: is not enforced\n  a: 1\n     ^\n");
}

}  // namespace
}  // namespace egress
