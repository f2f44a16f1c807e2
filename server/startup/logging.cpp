#include "server/startup/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "shared/base/time_text.h"

namespace egress::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kServerLogger = "egress-server";
constexpr const char* kAccessLogger = "access";

std::string render(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // text from clients need not be UTF-8
}

// The payload is a message, or the inside of a JSON object.
class JsonFormatter final : public spdlog::formatter {
 public:
  enum class Payload { kMessage, kMembers };
  explicit JsonFormatter(Payload payload) : payload_(payload) {}

  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(line.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(line.level);
    Json json;
    json["time"] = format_time(time);
    json["level"] = std::string(level.data(), level.size());
    json["logger"] = std::string(line.logger_name.data(), line.logger_name.size());
    if (payload_ == Payload::kMessage) json["message"] = std::string(line.payload.data(), line.payload.size());
    std::string text = render(json);
    if (payload_ == Payload::kMembers) {
      text.back() = ',';
      text.append(line.payload.data(), line.payload.size()).append("}");
    }
    text += '\n';
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(payload_); }

 private:
  const Payload payload_;
};

std::shared_ptr<spdlog::logger> make_logger(const char* name, LogFormat format, JsonFormatter::Payload payload) {
  if (format == LogFormat::kText) {
    return std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  }
  auto logger = std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<JsonFormatter>(payload));
  return logger;
}

// Fixed once logging has started.
std::shared_ptr<spdlog::logger> access_logger;
LogFormat access_format = LogFormat::kText;

}  // namespace

void start_logging(const std::string& level, LogFormat format) {
  spdlog::set_default_logger(make_logger(kServerLogger, format, JsonFormatter::Payload::kMessage));
  access_logger = make_logger(kAccessLogger, format, JsonFormatter::Payload::kMembers);
  access_format = format;
  set_log_level(level);
}

void set_log_level(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  spdlog::default_logger()->set_level(parsed);
  if (access_logger) access_logger->set_level(parsed);
}

void log_access(const AnsweredRequest& request) noexcept {
  if (!access_logger || !access_logger->should_log(spdlog::level::debug)) return;
  const double took_ms = std::chrono::duration<double, std::milli>(request.took).count();
  const std::string who(request.principal.empty() ? "-" : request.principal);
  try {
    if (access_format == LogFormat::kText) {
      access_logger->debug("{} {} {} {:.3f} ms {} {}", request.method, request.path, request.status, took_ms, who,
                           request.request_id);
      return;
    }
    Json json;
    json["method"] = request.method;
    json["path"] = request.path;
    json["status"] = request.status;
    json["duration_ms"] = took_ms;
    json["principal"] = who;
    json["request_id"] = request.request_id;
    const std::string text = render(json);
    access_logger->debug("{}", std::string_view(text).substr(1, text.size() - 2));
  } catch (const std::exception&) {  // out of memory: the line is lost, the request is not
  }
}

}  // namespace egress::server
