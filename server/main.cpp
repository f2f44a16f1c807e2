// egress-server: reads its settings, constructs every object, runs until SIGTERM or SIGINT; SIGHUP has it read its
// certificate and its log level again. Exit status: 0 after a graceful stop, 2 for settings or an environment that it
// refuses, 1 if it cannot start.
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "server/api/routes.h"
#include "server/http/http_server.h"
#include "server/metrics/measured_store.h"
#include "server/startup/data_directory.h"
#include "server/startup/logging.h"
#include "server/startup/reload.h"
#include "server/startup/request_observer.h"
#include "server/startup/setting_sources.h"
#include "server/startup/signals.h"
#include "server/store/sqlite/sqlite_store.h"
#include "shared/base/time_text.h"

namespace egress::server {
namespace {

constexpr int kFailed = 1;
constexpr int kRefused = 2;
constexpr std::size_t kStoreReaders = 4;

// Each held poll is a descriptor; the soft limit of most systems is 1024. What cannot be raised is no reason to stop.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    spdlog::warn("the limit of open files cannot be raised: {}", std::strerror(errno));
  }
}

int complain(int status, const std::string& message) {
  std::fprintf(stderr, "egress-server: %s\n", message.c_str());
  return status;
}

// Where a server without authentication may listen at all.
Expected<void> check_exposure(const ListenAddress& listen, bool has_tls) {
  if (is_loopback(listen.address) || has_tls) return {};
  return fail(ErrorCode::kInvalidArgument,
              "--listen " + format_listen_address(listen) +
                  ": refused, because this is not a loopback address and the server has no TLS: give --tls-cert and "
                  "--tls-key, or listen on 127.0.0.1 or [::1]");
}

struct Started {
  const SettingSources& sources;
  ServerSettings settings;
  const DataDirectory& directory;
  Metrics& metrics;
};

int serve(Started& started, const Services& services) {
  const ServerSettings& settings = started.settings;
  std::shared_ptr<TlsContext> tls;
  if (settings.has_tls()) {
    auto loaded = TlsContext::load({settings.tls_cert, settings.tls_key});
    if (!loaded) return complain(kRefused, loaded.error().message);
    tls = *std::move(loaded);
    spdlog::info("the certificate ends {}", format_time(tls->expires_at_ms()));
    if (tls->expires_at_ms() <= services.clock.now_ms()) {
      spdlog::error("the certificate in {} has ended: clients will refuse it", settings.tls_cert);
    }
  }
  RequestObserver observer(started.metrics);
  auto server = HttpServer::start(settings.listen.address, settings.listen.port, Router(make_routes(services)),
                                  settings.limits, {tls, &observer});
  if (!server) return complain(kFailed, server.error().message);
  const std::string url =
      (tls ? "https://" : "http://") + format_listen_address({settings.listen.address, (*server)->port()});
  if (auto done = started.directory.write_address(url); !done) return complain(kFailed, done.error().message);
  spdlog::warn("open without authentication: everyone who reaches {} can read and change policy", url);
  std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);

  int signal = wait_for_signal();
  for (; signal == SIGHUP; signal = wait_for_signal()) reload(started.sources, started.settings, tls.get());
  spdlog::info("stopping on {}", strsignal(signal));
  started.directory.remove_address();
  (*server)->stop();
  return 0;
}

int run(const SettingSources& sources, const ServerSettings& settings) {
  if (auto done = check_exposure(settings.listen, settings.has_tls()); !done) {
    return complain(kRefused, done.error().message);
  }
  auto directory = DataDirectory::open(settings.data);
  if (!directory) return complain(kFailed, "--data " + settings.data + ": " + directory.error().message);
  directory->remove_address();  // of a server that was killed
  auto key = directory->load_signing_key();
  if (!key) return complain(kFailed, key.error().message);
  auto opened = SqliteStore::open(directory->database_path(), kStoreReaders);
  if (!opened) return complain(kFailed, opened.error().message);

  const SystemClock clock;
  Metrics metrics;
  MeasuredStore store(**opened, metrics);
  StoredDocuments documents;
  Distribution distribution(store, clock, *std::move(key), documents);
  EgressPolicy egress_policy(store, clock, distribution);
  Namespaces namespaces(store, clock, distribution);
  ServerMode mode(store, clock, distribution);
  AuditLog audit(store);
  Telemetry telemetry(store, clock);
  AgentFleet fleet(store, clock);
  Manifests manifests(store, clock, distribution, documents);
  ManifestListing manifest_listing(store);
  Explanations explanations(store, clock, documents);
  ServerHealth health(store);
  if (auto done = namespaces.ensure_initial(); !done) return complain(kFailed, done.error().message);
  Started started{sources, settings, *directory, metrics};
  return serve(started, {clock, egress_policy, namespaces, mode, audit, telemetry, distribution, fleet, manifests,
                         manifest_listing, explanations, health, metrics});
}

std::optional<std::string> read_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int parse_and_run(int argc, char** argv) {
  SettingSources sources(read_variable);
  CLI::App app("The central server of egress: owns policy, serves it to agents, keeps the audit.", "egress-server");
  sources.add_flags(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kRefused;
  }
  const auto settings = sources.load();
  if (!settings) return complain(kRefused, settings.error().message);
  start_logging(settings->log, settings->log_format);

  ::umask(077);  // the database holds policy and audit: its owner's business
  take_signals();
  raise_descriptor_limit();
  return run(sources, *settings);
}

}  // namespace
}  // namespace egress::server

int main(int argc, char** argv) { return egress::server::parse_and_run(argc, argv); }
