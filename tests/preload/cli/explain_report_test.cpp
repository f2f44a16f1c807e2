#include "preload/cli/explain_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "preload/agent/policy_file.h"
#include "shared/policy/destination.h"

namespace egress {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAnswer[] =
    R"({"verdict": "deny", "deny_reason": "policy", "layer": "egress", "rule": "block evil.example",
  "revision": 12, "mode": "enforcement", "namespace_exists": false,
  "votes": [{"layer": "egress", "vote": "deny", "rule": "block evil.example", "source": null},
            {"layer": "mirrord:default/x", "vote": "allow", "rule": "spec.a", "source": {"document": "MirrordPolicy default/x", "line": 7}}],
  "fixes": [{"layer": "egress", "summary": "remove the rule", "request": {"method": "DELETE", "path": "/api/policy/egress/block?domain=evil.example", "body": ""}},
            {"layer": "x", "summary": "edit it", "request": null}],
  "assumes": ["no address given"]})";

TEST(ExplainReportTest, ShowsTheServersAnswer) {
  const auto report = parse_explain_report(kAnswer);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(render_explain_report(*report, "evil.example:443", "prod", false),
            "deny evil.example:443 (policy)\n"
            "decided by egress: block evil.example\n"
            "namespace prod (does not exist), enforcement, revision 12\n"
            "\n"
            "layers\n"
            "  deny     egress             block evil.example\n"
            "  allow    mirrord:default/x  spec.a  (MirrordPolicy default/x, line 7)\n"
            "\n"
            "to allow it\n"
            "  egress: remove the rule\n"
            "    DELETE /api/policy/egress/block?domain=evil.example \n"
            "  x: edit it\n"
            "\n"
            "assumes\n"
            "  no address given\n");
  EXPECT_THAT(render_explain_report(*report, "evil.example:443", "prod", true), HasSubstr("\033["));
}

TEST(ExplainReportTest, ItsJsonReadsBack) {
  const auto report = parse_explain_report(kAnswer).value();
  const auto again = parse_explain_report(explain_report_json(report).dump());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(explain_report_json(*again), explain_report_json(report));
  EXPECT_EQ(again->votes[1].line, 7u);
  EXPECT_EQ(again->fixes[0].request_method, "DELETE");
}

TEST(ExplainReportTest, ItsTextsDoNotSteerTheTerminal) {
  const auto report = parse_explain_report(
      R"({"verdict": "deny", "layer": "\u001b[2J", "votes": [{"layer": "\u001b[1m", "rule": "a\rb"}],
          "fixes": [{"summary": "\u0007x", "request": {"body": "\u001bc"}}], "assumes": ["\u001b]0;"]})");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(render_explain_report(*report, "a:1", "prod", false).find_first_of("\033\007\r"), std::string::npos);
}

TEST(ExplainReportTest, RefusesWhatIsNoExplanation) {
  for (const char* wrong : {"", "[]", "{}", R"({"verdict": 1, "votes": [], "fixes": []})", R"({"verdict": "deny"})",
                            R"({"verdict": "deny", "votes": [1], "fixes": []})",
                            R"({"verdict": "deny", "votes": [], "fixes": [], "assumes": 3})"}) {
    EXPECT_FALSE(parse_explain_report(wrong).has_value()) << wrong;
  }
}

TEST(ExplainReportTest, AFilesFixesAskNoServer) {
  const PolicyFile file = parse_policy_file(
      "apiVersion: egress/v1\nkind: EgressDomain\nmetadata: {name: a.example}\nspec: {action: allow}\n", "default");
  ASSERT_TRUE(file.problems.empty());
  Workload workload;
  workload.namespace_path = "default";
  const auto policy = make_file_policy(file.documents, workload, false, 0).value();
  const auto explanation = explain(policy->stack, question_of(parse_destination("b.example:443").value(), 0)).value();
  const auto report = make_explain_report(explanation, *policy, true);
  EXPECT_EQ(report.verdict, "deny");
  EXPECT_EQ(report.layer, "default");
  ASSERT_FALSE(report.fixes.empty());
  EXPECT_EQ(report.fixes[0].request_method, "");
  EXPECT_THAT(render_explain_report(report, "b.example:443", "default", false), Not(HasSubstr("revision")));
}

}  // namespace
}  // namespace egress
