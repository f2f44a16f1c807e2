#include "server/startup/logging.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace egress::server {
namespace {

// What `log` writes to stderr.
template <typename Log>
std::string captured(const std::string& level, LogFormat format, Log log) {
  testing::internal::CaptureStderr();
  start_logging(level, format);
  log();
  spdlog::default_logger()->flush();
  return testing::internal::GetCapturedStderr();
}

AnsweredRequest request() {
  AnsweredRequest answered;
  answered.method = "GET";
  answered.path = "/api/\xff\"mode";
  answered.pattern = "/api/mode";
  answered.status = 200;
  answered.took = std::chrono::microseconds(1500);
  answered.principal = "anna";
  answered.request_id = "r-1";
  return answered;
}

TEST(LoggingTest, AJsonLineHoldsWhateverTheMessageHolds) {
  const std::string line =
      captured("info", LogFormat::kJson, [] { spdlog::warn("a \"quote\", a\nbreak and {}", "\xff"); });
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("level"), "warning");
  EXPECT_EQ(json.at("logger"), "egress-server");
  EXPECT_EQ(json.at("message"), "a \"quote\", a\nbreak and \xef\xbf\xbd");
  EXPECT_TRUE(json.at("time").get<std::string>().ends_with("Z"));
}

TEST(LoggingTest, AnAccessLineHasItsPartsAsFields) {
  const auto json = nlohmann::json::parse(captured("debug", LogFormat::kJson, [] { log_access(request()); }));
  EXPECT_EQ(json.at("logger"), "access");
  EXPECT_EQ(json.at("method"), "GET");
  EXPECT_EQ(json.at("path"), "/api/\xef\xbf\xbd\"mode");
  EXPECT_EQ(json.at("status"), 200);
  EXPECT_EQ(json.at("duration_ms"), 1.5);
  EXPECT_EQ(json.at("principal"), "anna");
  EXPECT_EQ(json.at("request_id"), "r-1");
  EXPECT_FALSE(json.contains("message"));
}

TEST(LoggingTest, AccessIsForDebug) {
  const auto log = [] { log_access(request()); };
  EXPECT_EQ(captured("info", LogFormat::kJson, log), "");
  EXPECT_EQ(captured("info", LogFormat::kText, log), "");
  EXPECT_NE(captured("debug", LogFormat::kText, log).find("200 1.500 ms anna r-1"), std::string::npos);
}

TEST(LoggingTest, TheLevelChangesForBothLogs) {
  const std::string text = captured("off", LogFormat::kText, [] {
    log_access(request());
    spdlog::error("not this");
    set_log_level("debug");
    log_access(request());
    spdlog::debug("but this");
  });
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find("but this"), std::string::npos);
  EXPECT_EQ(text.find("anna"), text.rfind("anna"));
}

}  // namespace
}  // namespace egress::server
