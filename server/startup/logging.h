// The server's log on stderr: lines for people, or one JSON object a line with time, level, logger and message.
#pragma once

#include <string>

#include "server/http/http_observer.h"
#include "server/startup/settings.h"

namespace egress::server {

// Replaces spdlog's default logger. Before any thread logs.
void start_logging(const std::string& level, LogFormat format);
void set_log_level(const std::string& level);

// One line a request at level debug, from the logger "access"; in JSON each part is a field of its own.
void log_access(const AnsweredRequest& request) noexcept;

}  // namespace egress::server
