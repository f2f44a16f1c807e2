#include "preload/agent/agent.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <climits>
#include <csignal>
#include <utility>

#include "preload/agent/atomic_file.h"
#include "preload/agent/fold.h"
#include "preload/agent/idle_watch.h"
#include "preload/agent/status.h"

namespace asio = boost::asio;

namespace egress {
namespace {

constexpr std::size_t kPoolThreads = 2;
constexpr auto kHousekeeping = std::chrono::seconds(1);
constexpr std::int64_t kForgetLaunchesMs = 5'000;
constexpr auto kFarewell = std::chrono::seconds(2);
constexpr auto kFarewellCheck = std::chrono::milliseconds(20);

std::string read_host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string();
}

// Which agent this is to the server, across restarts.
Expected<std::string> load_agent_id(const std::filesystem::path& state_dir) {
  constexpr std::size_t kIdBytes = 32;
  const std::filesystem::path path = state_dir / "agent-id";
  const auto known = read_whole_file(path, 4096);
  if (known && known->size() == kIdBytes && known->find_first_not_of("0123456789abcdef") == std::string::npos) {
    return *known;
  }
  std::string id = make_record_id();
  if (auto written = write_file_atomically(path, id, 0600); !written) return tl::unexpected(written.error());
  return id;
}

// Each process costs three descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) spdlog::warn("cannot raise the descriptor limit");
}

}  // namespace

// Destroyed bottom up, after the pool was joined. The loop takes suspended coroutines with it, and those hold strands
// of the pool: so the pool outlives the loop.
struct Agent::Parts {
  Parts(AgentSettings chosen, const Clock& the_clock, std::string agent_id, RequestHandler::Files files)
      : settings(std::move(chosen)),
        clock(the_clock),
        facts{the_clock.now_ms(), settings.runtime_dir.string(), settings.state_dir.string()},
        store(settings.state_dir),
        pins(settings.state_dir / "keys"),
        intake(store, pins),
        services{.executor = loop.get_executor(),
                 .pool = pool,
                 .intake = intake,
                 .store = store,
                 .policies = policies,
                 .clock = clock,
                 .agent_id = std::move(agent_id),
                 .host_name = read_host_name(),
                 .before_publish = [this](Session& session) { processes.drain(session); },
                 .count_processes = [this](const Session& session) { return processes.processes_of(session).size(); }},
        processes(loop.get_executor(), clock),
        journal(settings.runtime_dir / "launches", read_boot_id()),
        sessions(services),
        handler(sessions, processes, trees, journal, services, {settings.bundle_key, settings.ca}, std::move(files),
                [this](uid_t viewer) { return render_status(facts, sessions, processes, viewer); }),
        signals(loop, SIGTERM, SIGINT),
        housekeeping(loop),
        idle(settings.idle_exit_s, clock.now_ms()) {}

  Expected<void> load_launches();
  void forget_launches();
  void keep_house();
  void begin_farewell(const char* why);
  void await_drained();

  AgentSettings settings;
  const Clock& clock;
  AgentFacts facts;
  BundleStore store;
  KeyPin pins;
  BundleIntake intake;
  PolicyRegistry policies;
  asio::thread_pool pool{kPoolThreads};
  asio::io_context loop{1};
  SyncServices services;
  ProcessTable processes;
  const SystemProcesses system_processes;
  LaunchTrees trees{system_processes};
  LaunchJournal journal;
  UnixMillis launches_forgotten_ms = 0;
  SessionTable sessions;
  RequestHandler handler;
  std::shared_ptr<AgentSocket> socket;
  asio::signal_set signals;
  asio::steady_timer housekeeping;
  IdleWatch idle;
  bool leaving = false;
  std::chrono::steady_clock::time_point leave_by;
};

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

// Joined, not stopped: work that never ran would be destroyed with the pool, after the loop that its coroutine belongs
// to.
Agent::~Agent() { parts_->pool.join(); }

Expected<std::unique_ptr<Agent>> Agent::create(AgentSettings settings, const Clock& clock,
                                               RequestHandler::Files files) {
  for (const auto& directory : {settings.state_dir, settings.state_dir / "keys"}) {
    if (auto made = prepare_directory(directory, 0700, ::geteuid()); !made) return tl::unexpected(made.error());
  }
  auto agent_id = load_agent_id(settings.state_dir);
  if (!agent_id) return tl::unexpected(agent_id.error());
  raise_descriptor_limit();
  auto parts = std::make_unique<Parts>(std::move(settings), clock, std::move(*agent_id), std::move(files));
  if (auto opened = parts->store.open(); !opened) return tl::unexpected(opened.error());
  if (auto loaded = parts->load_launches(); !loaded) return tl::unexpected(loaded.error());
  auto handle = [handler = &parts->handler](PeerProcess peer, std::shared_ptr<const ReceivedRequest> received) {
    return handler->handle(peer, std::move(received));
  };
  auto socket = AgentSocket::listen(parts->loop.get_executor(), parts->settings.socket_path(),
                                    parts->settings.shared ? 0666 : 0600, std::move(handle));
  if (!socket) return tl::unexpected(socket.error());
  parts->socket = std::move(*socket);
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

void Agent::run() {
  Parts& parts = *parts_;
  parts.socket->start();
  parts.signals.async_wait([&parts](const boost::system::error_code& error, int signal) {
    if (!error) parts.begin_farewell(::strsignal(signal));
  });
  parts.keep_house();
  spdlog::info("agent {} listens on {}", ::getpid(), parts.settings.socket_path().string());
  parts.loop.run();
  spdlog::info("agent {} ended", ::getpid());
}

void Agent::request_stop() {
  asio::post(parts_->loop, [parts = parts_.get()] { parts->begin_farewell("asked to stop"); });
}

Expected<void> Agent::Parts::load_launches() {
  auto launches = journal.load(system_processes);
  if (!launches) return tl::unexpected(launches.error());
  for (Launch& launch : *launches) {
    if (auto added = trees.add(std::move(launch)); !added) return added;
  }
  return {};
}

void Agent::Parts::forget_launches() {
  const UnixMillis now_ms = clock.now_ms();
  if (now_ms >= launches_forgotten_ms && now_ms - launches_forgotten_ms < kForgetLaunchesMs) return;
  launches_forgotten_ms = now_ms;
  for (const ProcessKey& root : trees.forget_ended()) {
    auto work = [this, root] {
      if (auto removed = journal.remove(root); !removed) spdlog::error("{}", removed.error().message);
    };
    asio::post(pool, std::move(work));
  }
}

void Agent::Parts::keep_house() {
  if (leaving) return;
  forget_launches();
  sessions.tick([this](const Session& session) { return processes.is_used(session); });
  const bool used = !processes.is_empty() || !trees.is_empty() || socket->connection_count() > 0;
  if (idle.is_over(used, clock.now_ms())) {
    begin_farewell("nobody uses it");
    return;
  }
  housekeeping.expires_after(kHousekeeping);
  housekeeping.async_wait([this](const boost::system::error_code& error) {
    if (!error) keep_house();
  });
}

void Agent::Parts::begin_farewell(const char* why) {
  if (std::exchange(leaving, true)) return;
  spdlog::info("agent {} ends: {}", ::getpid(), why);
  socket->stop();
  processes.drain_all();
  sessions.flush_events();
  leave_by = std::chrono::steady_clock::now() + kFarewell;
  await_drained();
}

void Agent::Parts::await_drained() {
  if (sessions.is_drained() || std::chrono::steady_clock::now() >= leave_by) {
    const EventTotals totals = sessions.totals();
    if (totals.pending > 0) spdlog::error("{} events could not be uploaded in time and are lost", totals.pending);
    processes.stop();
    sessions.stop();
    loop.stop();
    return;
  }
  housekeeping.expires_after(kFarewellCheck);
  housekeeping.async_wait([this](const boost::system::error_code&) { await_drained(); });
}

}  // namespace egress
