// egress-server: reads its options, constructs every object, runs until SIGTERM or SIGINT. Exit status: 0 after a
// graceful stop, 2 for options or an environment that it refuses, 1 if it cannot start.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "server/api/routes.h"
#include "server/api/token_gate.h"
#include "server/http/http_server.h"
#include "server/startup/data_directory.h"
#include "server/startup/exposure.h"
#include "server/startup/listen_address.h"
#include "server/startup/token_commands.h"
#include "server/store/sqlite/sqlite_store.h"

namespace egress::server {
namespace {

constexpr int kFailed = 1;
constexpr int kRefused = 2;
constexpr std::size_t kStoreReaders = 4;

struct Options {
  std::string listen = "127.0.0.1:8443";
  std::string data;
  std::string log = "info";
  std::vector<std::string> allowed_hosts;
};

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

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Loud while everybody may do everything.
void say_who_may(const TokenRegistry& registry, const std::string& address) {
  if (registry.is_closed()) {
    spdlog::info("closed: requests to http://{} need a token", address);
    return;
  }
  spdlog::warn(
      "OPEN WITHOUT AUTHENTICATION: every program on this machine can read and change policy at http://{}; make an "
      "admin token to close it (egress-server token create --role admin, or POST /api/tokens)",
      address);
}

int serve(const ListenAddress& listen, const DataDirectory& directory, const Services& services, Gate& gate,
          AllowedHosts allowed_hosts) {
  auto server = HttpServer::start(listen.address, listen.port, Router(make_routes(services)), HttpLimits(), gate,
                                  std::move(allowed_hosts));
  if (!server) return complain(kFailed, server.error().message);
  const std::string address = format_listen_address({listen.address, (*server)->port()});
  if (auto done = directory.write_address(address); !done) return complain(kFailed, done.error().message);
  say_who_may(services.registry, address);
  std::printf("listening on http://%s\n", address.c_str());
  std::fflush(stdout);

  const sigset_t signals = stop_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("stopping on {}", strsignal(signal));
  directory.remove_address();
  (*server)->stop();
  return 0;
}

int run(const Options& options) {
  const auto listen = parse_listen_address(options.listen);
  if (!listen) return complain(kRefused, "--listen " + listen.error().message);
  auto allowed_hosts = AllowedHosts::make(listen->address, options.allowed_hosts);
  if (!allowed_hosts) return complain(kRefused, "--allowed-host: " + allowed_hosts.error().message);
  constexpr bool kHasTls = false;
  // Whether there is an admin is known once the store is open; what TLS alone decides touches no directory.
  if (auto safe = check_exposure(*listen, kHasTls, true); !safe) {
    return complain(kRefused, "--listen " + options.listen + ": " + safe.error().message);
  }
  auto directory = DataDirectory::open(options.data);
  if (!directory) return complain(kFailed, "--data " + options.data + ": " + directory.error().message);
  directory->remove_address();  // of a server that was killed
  auto key = directory->load_signing_key();
  if (!key) return complain(kFailed, key.error().message);
  auto store = SqliteStore::open(directory->database_path(), kStoreReaders);
  if (!store) return complain(kFailed, store.error().message);

  const SystemClock clock;
  TokenRegistry registry(clock);
  if (auto done = registry.load(**store); !done) return complain(kFailed, done.error().message);
  if (auto safe = check_exposure(*listen, kHasTls, registry.has_live_admin()); !safe) {
    return complain(kRefused, "--listen " + options.listen + ": " + safe.error().message);
  }
  Tokens tokens(**store, clock, registry);
  UiSessions ui_sessions(clock);
  AuthFailures auth_failures(**store, clock);
  TokenGate gate(registry, ui_sessions, auth_failures);
  StoredDocuments documents;
  Distribution distribution(**store, clock, *std::move(key), documents);
  EgressPolicy egress_policy(**store, clock, distribution);
  Namespaces namespaces(**store, clock, distribution);
  ServerMode mode(**store, clock, distribution);
  AuditLog audit(**store);
  Telemetry telemetry(**store, clock);
  AgentFleet fleet(**store, clock);
  registry.set_revocation_observer([&distribution](const TokenRecord& token) {
    if (token.kind == TokenKind::kWorkload) distribution.workload_changed(token.namespace_path, token.name);
  });
  Workloads workloads(**store, clock, registry, distribution);
  Manifests manifests(**store, clock, distribution, documents);
  ManifestListing manifest_listing(**store);
  Explanations explanations(**store, clock, documents);
  if (auto done = namespaces.ensure_initial(); !done) return complain(kFailed, done.error().message);
  if (auto done = fleet.load(); !done) return complain(kFailed, done.error().message);
  const Services services{
      clock,     egress_policy,    namespaces,   mode,     audit,  telemetry,   distribution,  fleet,
      manifests, manifest_listing, explanations, registry, tokens, ui_sessions, auth_failures, workloads};
  const int status = serve(*listen, *directory, services, gate, *std::move(allowed_hosts));
  if (auto done = auth_failures.record_all(); !done) return complain(kFailed, done.error().message);
  return status;
}

int parse_and_run(int argc, char** argv) {
  Options options;
  CLI::App app("The central server of egress: owns policy, serves it to agents, keeps the audit.", "egress-server");
  app.add_option("--listen", options.listen, "ADDRESS:PORT to listen on; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--data", options.data, "directory for the database, the signing key and the address file");
  app.add_option("--allowed-host", options.allowed_hosts,
                 "a name that requests may give as Host besides loopback and the address listened on; repeatable");
  app.add_option("--log", options.log, "how much to log on stderr")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  std::function<int()> command;
  add_token_commands(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kRefused;
  }
  if (!command && options.data.empty()) return complain(kRefused, "--data is required");
  spdlog::set_default_logger(spdlog::stderr_color_mt("egress-server"));
  spdlog::set_level(spdlog::level::from_str(options.log));

  ::umask(077);  // the database holds policy and audit: its owner's business
  if (command) return command();
  // Before any thread exists, so that all of them leave these signals to sigwait().
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader of our stdout or stderr that went away
  raise_descriptor_limit();
  return run(options);
}

}  // namespace
}  // namespace egress::server

int main(int argc, char** argv) { return egress::server::parse_and_run(argc, argv); }
