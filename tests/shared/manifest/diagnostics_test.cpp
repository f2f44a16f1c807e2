// Golden files: each golden/NAME.yaml is refused (or warned about) exactly as golden/NAME.txt says, caret lines
// included. UPDATE_GOLDEN=1 writes them anew; read the difference before you believe it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "shared/manifest/parse.h"
#include "shared/manifest/references.h"

namespace egress {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(EGRESS_SOURCE_DIR) / "tests/shared/manifest/golden";

std::string load(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string diagnose(const std::string& file_name, const std::string& text) {
  const ParsedManifest manifest = parse_manifest_documents(text);
  std::string result;
  for (const Problem& problem : manifest.problems) result += render_problem(problem, file_name, text);
  if (manifest.problems.empty()) {
    for (const Problem& problem : find_reference_problems(manifest.documents)) {
      result += render_problem(problem, file_name, text);
    }
  }
  for (const Problem& warning : manifest.warnings) result += "warning: " + render_problem(warning, file_name, text);
  return result;
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class DiagnosticsTest : public testing::TestWithParam<std::string> {};

TEST_P(DiagnosticsTest, AreAsWritten) {
  const std::string diagnosed = diagnose(GetParam() + ".yaml", load(kGolden / (GetParam() + ".yaml")));
  const fs::path expected = kGolden / (GetParam() + ".txt");
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(expected) << diagnosed;
    return;
  }
  EXPECT_FALSE(diagnosed.empty());
  EXPECT_EQ(diagnosed, load(expected));
}

INSTANTIATE_TEST_SUITE_P(Golden, DiagnosticsTest, testing::ValuesIn(golden_names()),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace egress
