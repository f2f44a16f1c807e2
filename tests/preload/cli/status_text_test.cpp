#include "preload/cli/status_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace egress {
namespace {

TEST(StatusTextTest, ShowsAgentSessionsAndEvents) {
  const auto status = nlohmann::json::parse(R"({
    "agent": {"pid": 12, "version": "0.1.0", "started_at": "2027-01-31T00:00:00Z", "runtime_dir": "/r", "state_dir": "/s"},
    "sessions": [{"namespace": "prod/payments", "workload": "shop", "server": "http://127.0.0.1:8443", "policy": true,
      "revision": 7, "mode": "enforcement", "connected": true, "stale": false, "last_contact": "2027-01-31T00:00:01Z",
      "error": "", "bindings": 3, "process_count": 1, "processes": [{"pid": 99, "exe": "/usr/bin/curl"}]}],
    "events": {"recorded": 5, "dropped": 0, "uploaded": 4, "pending": 1}})");
  const std::string text = render_status_text(status, false);
  for (const char* part : {"pid 12", "prod/payments / shop", "http://127.0.0.1:8443 (connected",
                           "revision 7, enforcement", "99 /usr/bin/curl", "5 recorded", "0 dropped"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(render_status_text(status, true).find('\033'), std::string::npos);
}

TEST(StatusTextTest, SaysWhenThereIsNoPolicyOrNoSession) {
  const auto status =
      nlohmann::json::parse(R"({"sessions": [{"namespace": "a", "policy": false, "error": "refused"}]})");
  const std::string text = render_status_text(status, false);
  EXPECT_NE(text.find("everything is denied"), std::string::npos);
  EXPECT_NE(text.find("refused"), std::string::npos);
  EXPECT_NE(render_status_text(nlohmann::json::object(), false).find("no sessions"), std::string::npos);
}

TEST(StatusTextTest, ASessionOfAFileHasNoServerAndNoRevision) {
  const auto status = nlohmann::json::parse(
      R"({"sessions": [{"namespace": "a", "server": "file:12ab", "policy": true, "revision": 0, "mode": "shadow",
        "events": {"recorded": 7}}], "events": {"local": 7}})");
  const std::string text = render_status_text(status, false);
  for (const char* part :
       {"file      file:12ab\n", "policy    shadow\n", "events    7 recorded\n", "7 of policy files"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find("connected"), std::string::npos);
}

TEST(StatusTextTest, SurvivesFieldsOfOtherTypes) {
  const auto status = nlohmann::json::parse(
      R"({"agent": 1, "sessions": [1, {"namespace": 5, "processes": [1, {"pid": "x"}], "process_count": 2}], "events": []})");
  EXPECT_FALSE(render_status_text(status, false).empty());
}

}  // namespace
}  // namespace egress
