#include "preload/cli/apply_report.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

const ManifestText kManifest{"policy.yaml", "first\nsecond: 2\n"};

TEST(ApplyReportTest, ShowsWhatChanged) {
  const std::string shown = render_applied(
      R"({"applied": [{"kind": "MirrordPolicy", "namespace": "default", "name": "boats", "result": "created"},
                      {"kind": "EgressGateway", "namespace": "/", "name": "prod", "result": "unchanged"},
                      {"kind": "EgressDomain", "namespace": "", "name": "a.example", "result": "changed"}],
          "warnings": ["beware", {"document": 1, "line": 2, "column": 1, "path": "second", "message": "is not enforced"},
                       {"document": 1, "line": 1, "column": 1, "path": "first", "message": "shown before"}],
          "restricts": 3})",
      kManifest, {{1, 1, 1, "first", "shown before", ""}});
  EXPECT_EQ(shown,
            "created   MirrordPolicy default/boats\n"
            "unchanged EgressGateway /prod\n"
            "changed   EgressDomain a.example\n"
            "warning: beware\n"
            "policy.yaml:2:1: second: warning: is not enforced\n"
            "  second: 2\n"
            "  ^\n"
            "this newly restricts 3 namespaces\n");
}

TEST(ApplyReportTest, ShowsWhyItWasRefused) {
  struct Case {
    const char* name;
    const char* answer;
    const char* shown;
  };
  const Case cases[] = {
      {"problems",
       R"({"error": "invalid_manifest", "problems": [{"document": 1, "line": 2, "column": 9, "path": "second", "message": "is wrong", "expected": "3"}]})",
       "policy.yaml:2:9: second: is wrong (expected 3)\n  second: 2\n          ^\n"},
      {"cascade",
       R"({"error": "cascade_violations", "cascade_warnings": [{"child": "prod/a", "uncovered_domains": ["a.example", "b.example"]}]})",
       "  prod/a would no longer be covered for a.example, b.example\n"
       "  --force applies it and leaves them broken until mended\n"},
      {"tests",
       R"({"error": "policy_tests_failed", "failures": [{"test": "t", "destination": "a:1", "expected": "allow", "verdict": "deny", "layer": "egress", "rule": "unmatched"}]})",
       "  t: a:1: expected allow, got deny by egress: unmatched\n"},
      {"a message alone", R"({"error": "child_widens_parent", "message": "no"})", ""},
      {"not JSON", "<html>", ""},
      {"other types", R"({"problems": 1, "cascade_warnings": {}, "failures": "x"})", ""},
  };
  for (const Case& refusal : cases) {
    EXPECT_EQ(render_apply_refusal(refusal.answer, kManifest), refusal.shown) << refusal.name;
  }
}

TEST(ApplyReportTest, SurvivesAnswersOfOtherTypes) {
  for (const char* odd : {"", "[]", R"({"applied": [1, {"kind": 2}], "warnings": [1], "restricts": "x"})",
                          R"({"applied": {}, "warnings": [{"line": -7, "column": 99999999999999}]})"}) {
    EXPECT_EQ(render_applied(odd, kManifest, {}).find('\033'), std::string::npos) << odd;
  }
  EXPECT_EQ(render_applied(R"({"applied": [{"kind": "\u001b[31m", "name": "x", "result": "created"}]})", kManifest, {}),
            "created    [31m x\n");
}

}  // namespace
}  // namespace egress
