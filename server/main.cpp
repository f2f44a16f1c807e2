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
#include <functional>

#include "server/api/routes.h"
#include "server/api/token_gate.h"
#include "server/http/http_server.h"
#include "server/metrics/measured_store.h"
#include "server/startup/control_plane.h"
#include "server/startup/data_directory.h"
#include "server/startup/database_commands.h"
#include "server/startup/expiry_timer.h"
#include "server/startup/exposure.h"
#include "server/startup/failure_metrics.h"
#include "server/startup/logging.h"
#include "server/startup/reload.h"
#include "server/startup/request_observer.h"
#include "server/startup/server_database.h"
#include "server/startup/setting_sources.h"
#include "server/startup/signals.h"
#include "server/startup/token_commands.h"
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

// Loud while everybody may do everything.
void say_who_may(const TokenRegistry& registry, const std::string& url) {
  if (registry.is_closed()) {
    spdlog::info("closed: requests to {} need a token", url);
    return;
  }
  spdlog::warn(
      "OPEN TO EVERYONE, without authentication: any program on this machine can read and change policy at {}; make an "
      "admin token to close it (egress-server token create --role admin, or POST /api/tokens)",
      url);
}

// Null without TLS.
Expected<std::shared_ptr<TlsContext>> load_tls(const ServerSettings& settings, UnixMillis now_ms) {
  if (!settings.has_tls()) return nullptr;
  auto tls = TlsContext::load({settings.tls_cert, settings.tls_key});
  if (!tls) return tl::unexpected(tls.error());
  spdlog::info("the certificate ends {}", format_time((*tls)->expires_at_ms()));
  if ((*tls)->expires_at_ms() <= now_ms) {
    spdlog::error("the certificate in {} has ended: clients will refuse it", settings.tls_cert);
  }
  return *std::move(tls);
}

// What a server starts with, besides its services.
struct Started {
  const SettingSources& sources;
  ServerSettings settings;
  const DataDirectory& directory;
  Metrics& metrics;
  Gate& gate;
  AllowedHosts allowed_hosts;
};

int serve(Started& started, Listener listener, const Services& services) {
  auto tls = load_tls(started.settings, services.clock.now_ms());
  if (!tls) return complain(kRefused, tls.error().message);
  const std::string url =
      (*tls ? "https://" : "http://") + format_listen_address({listener.address(), listener.port()});
  RequestObserver observer(started.metrics);
  auto server = HttpServer::start(std::move(listener), Router(make_routes(services)), started.settings.limits,
                                  started.gate, {std::move(started.allowed_hosts), *tls, &observer});
  if (!server) return complain(kFailed, server.error().message);
  if (auto done = started.directory.write_address(url); !done) return complain(kFailed, done.error().message);
  say_who_may(services.registry, url);
  std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);

  int signal = wait_for_signal();
  for (; signal == SIGHUP; signal = wait_for_signal()) reload(started.sources, started.settings, tls->get());
  spdlog::info("stopping on {}", strsignal(signal));
  started.directory.remove_address();
  (*server)->stop();
  return 0;
}

int run(const SettingSources& sources, const ServerSettings& settings) {
  auto allowed_hosts = AllowedHosts::make(settings.listen.address, settings.allowed_hosts);
  if (!allowed_hosts) return complain(kRefused, "--allowed-host: " + allowed_hosts.error().message);
  const auto refuse_exposure = [&](const Error& error) {
    return complain(kRefused, "--listen " + format_listen_address(settings.listen) + ": " + error.message);
  };
  // Whether there is an admin is known once the store is open; what TLS alone decides touches no directory.
  if (auto safe = check_exposure(settings.listen, settings.has_tls(), true); !safe)
    return refuse_exposure(safe.error());
  auto directory = DataDirectory::open(settings.data);
  if (!directory) return complain(kFailed, "--data " + settings.data + ": " + directory.error().message);
  directory->remove_address();  // of a server that was killed
  auto key = directory->load_signing_key();
  if (!key) return complain(kFailed, key.error().message);
  auto database = ServerDatabase::open(*directory, kStoreReaders);
  if (!database) return complain(kFailed, database.error().message);

  const SystemClock clock;
  Metrics metrics;
  MeasuredStore store(database->store(), metrics);
  TokenRegistry registry(clock);
  if (auto done = registry.load(store); !done) return complain(kFailed, done.error().message);
  const bool has_admin = registry.has_live_admin();
  if (auto safe = check_exposure(settings.listen, settings.has_tls(), has_admin); !safe) {
    return refuse_exposure(safe.error());
  }
  auto listener = Listener::open(settings.listen.address, settings.listen.port);
  if (!listener) return complain(kFailed, listener.error().message);
  auto control_plane = find_control_plane({listener->address(), listener->port()});
  if (!control_plane) return complain(kFailed, control_plane.error().message);

  Tokens tokens(store, clock, registry);
  UiSessions ui_sessions(clock);
  AuthFailures auth_failures(store, clock);
  count_failures(auth_failures, metrics);
  TokenGate gate(registry, ui_sessions, auth_failures);
  StoredDocuments documents;
  Distribution distribution(store, clock, *std::move(key), documents);
  EgressPolicy egress_policy(store, clock, distribution);
  Namespaces namespaces(store, clock, distribution, &distribution);
  ServerMode mode(store, clock, distribution);
  AuditLog audit(store);
  Telemetry telemetry(store, clock);
  AgentFleet fleet(store, clock);
  registry.set_revocation_observer([&distribution](const TokenRecord& token) {
    if (token.kind == TokenKind::kWorkload) distribution.workload_changed(token.namespace_path, token.name);
  });
  Workloads workloads(store, clock, registry, distribution);
  Manifests manifests(store, clock, distribution, documents, &distribution);
  ManifestListing manifest_listing(store);
  Explanations explanations(store, clock, documents, *std::move(control_plane));
  Changesets changesets(store, clock, distribution, documents, &distribution);
  Revisions revisions(store, clock, distribution, documents, &distribution);
  ServerHealth health(store);
  if (auto done = namespaces.ensure_initial(); !done) return complain(kFailed, done.error().message);
  if (auto done = fleet.load(); !done) return complain(kFailed, done.error().message);
  const ExpiryTimer expiry(store, clock);
  const Services services{clock,  egress_policy, namespaces,       mode,         audit,      telemetry, distribution,
                          fleet,  manifests,     manifest_listing, explanations, changesets, revisions, registry,
                          tokens, ui_sessions,   auth_failures,    workloads,    health,     metrics};
  Started started{sources, settings, *directory, metrics, gate, *std::move(allowed_hosts)};
  const int status = serve(started, *std::move(listener), services);
  if (auto done = auth_failures.record_all(); !done) return complain(kFailed, done.error().message);
  return status;
}

std::optional<std::string> read_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int parse_and_run(int argc, char** argv) {
  if (const auto status = run_database_command(argc, argv)) return *status;
  SettingSources sources(read_variable);
  CLI::App app("The central server of egress: owns policy, serves it to agents, keeps the audit.", "egress-server");
  sources.add_flags(app);
  std::function<int()> command;
  add_token_commands(app, command);
  app.footer("egress-server backup and egress-server restore copy the database and put a copy back: see their --help.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kRefused;
  }
  ::umask(077);  // the database holds policy and audit: its owner's business
  if (command) return command();
  const auto settings = sources.load();
  if (!settings) return complain(kRefused, settings.error().message);
  start_logging(settings->log, settings->log_format);
  take_signals();
  raise_descriptor_limit();
  return run(sources, *settings);
}

}  // namespace
}  // namespace egress::server

int main(int argc, char** argv) { return egress::server::parse_and_run(argc, argv); }
