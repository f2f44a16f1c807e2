#include "server/startup/reload.h"

#include <spdlog/spdlog.h>

#include "server/startup/logging.h"
#include "shared/base/time_text.h"

namespace egress::server {

void reload(const SettingSources& sources, ServerSettings& running, TlsContext* tls) {
  if (tls != nullptr) {
    if (const auto done = tls->reload(); !done) {
      spdlog::error("SIGHUP: the old certificate stays in use, until {}: {}", format_time(tls->expires_at_ms()),
                    done.error().message);
    } else {
      spdlog::info("SIGHUP: new connections get the certificate that ends {}", format_time(tls->expires_at_ms()));
    }
  }
  const auto wanted = sources.load();
  if (!wanted) {
    spdlog::error("SIGHUP: the settings stay as they are: {}", wanted.error().message);
    return;
  }
  if (wanted->log != running.log) {
    set_log_level(wanted->log);
    running.log = wanted->log;
    spdlog::info("SIGHUP: the log level is {}", wanted->log);
  }
  for (const std::string& name : differing_options(*wanted, running)) {
    spdlog::warn("SIGHUP: {} has changed, which needs a restart", name);
  }
}

}  // namespace egress::server
