#include "preload/agent/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

namespace egress {
namespace {

constexpr std::size_t kMaxLogBytes = 4u << 20;
constexpr std::size_t kMaxLogFiles = 3;

}  // namespace

Expected<void> open_log(const AgentSettings& settings, bool to_stderr) {
  std::vector<spdlog::sink_ptr> sinks;
  const std::string path = (settings.state_dir / "agent.log").string();
  try {
    sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kMaxLogBytes, kMaxLogFiles));
  } catch (const spdlog::spdlog_ex& error) {
    return fail(ErrorCode::kUnavailable, "cannot open log \"" + path + "\": " + error.what());
  }
  if (to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  auto logger = std::make_shared<spdlog::logger>("egress-agent", sinks.begin(), sinks.end());
  logger->set_level(settings.log_level.empty() ? spdlog::level::info : spdlog::level::from_str(settings.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace egress
