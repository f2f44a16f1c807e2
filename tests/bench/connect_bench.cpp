// What the library costs a network call (quality.md, P1 to P3): the hooked call and the raw system call take turns in
// one process, so that their ratio holds on a noisy machine. Runs itself again under LD_PRELOAD, with a scripted agent
// whose arena holds 10,000 rules.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "shared/base/unique_fd.h"
#include "shared/session/ring.h"
#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/temporary_directory.h"

extern char** environ;

namespace egress {
namespace {

constexpr char kChildMark[] = "CONNECT_BENCH_CHILD";
constexpr std::uint32_t kAllowedHost = 0x7f000001;
constexpr std::uint32_t kDeniedHost = 0x7f000002;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

sockaddr_in make_name(std::uint32_t host, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(host);
  return name;
}

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Plays the agent's part in keeping the ring empty, so that every event is really written: this process's own mapping.
class RingDrain {
 public:
  RingDrain() {
    std::FILE* maps = std::fopen("/proc/self/maps", "r");
    char line[4096];
    while (maps != nullptr && std::fgets(line, sizeof line, maps) != nullptr) {
      if (std::strstr(line, "memfd:egress-ring") != nullptr) {
        ring_ = reinterpret_cast<RingHeader*>(std::strtoull(line, nullptr, 16));
      }
    }
    if (maps != nullptr) std::fclose(maps);
    if (ring_ == nullptr) give_up("no ring is mapped: is the library preloaded?");
  }
  void empty() { ring_->consumed.store(ring_->tickets.load(std::memory_order_relaxed), std::memory_order_release); }
  std::uint64_t tickets() const { return ring_->tickets.load(); }

 private:
  RingHeader* ring_ = nullptr;
};

class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in name = make_name(kAllowedHost, 0);
    socklen_t size = sizeof name;
    auto* generic = reinterpret_cast<sockaddr*>(&name);
    if (::bind(fd_.get(), generic, size) != 0 || ::listen(fd_.get(), 128) != 0) give_up("listen");
    ::getsockname(fd_.get(), generic, &size);
    port_ = ntohs(name.sin_port);
  }
  std::uint16_t port() const { return port_; }
  void accept_one() { UniqueFd(::accept(fd_.get(), nullptr, nullptr)); }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

double median(std::vector<std::int64_t>& samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return static_cast<double>(*middle);
}

void report(benchmark::State& state, std::vector<std::int64_t>& raw, std::vector<std::int64_t>& hooked) {
  const double raw_ns = median(raw);
  const double hooked_ns = median(hooked);
  state.counters["raw_ns"] = raw_ns;
  state.counters["hooked_ns"] = hooked_ns;
  state.counters["added_ns"] = hooked_ns - raw_ns;
  state.counters["ratio"] = hooked_ns / raw_ns;
}

// One connect to the listener, timed; the connection is reset so that no port is kept.
template <typename Connect>
std::int64_t time_connect(Listener& listener, Connect connect) {
  const sockaddr_in name = make_name(kAllowedHost, listener.port());
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const linger reset{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const std::int64_t start = now_ns();
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), socklen_t{sizeof name}) != 0) give_up("connect");
  const std::int64_t elapsed = now_ns() - start;
  listener.accept_one();
  return elapsed;
}

// P1.
void allowed_connect(benchmark::State& state) {
  Listener listener;
  const auto raw_connect = [](int fd, const sockaddr* name, socklen_t size) {
    return ::syscall(SYS_connect, fd, name, size);
  };
  time_connect(listener, ::connect);  // says hello
  RingDrain drain;
  std::vector<std::int64_t> raw;
  std::vector<std::int64_t> hooked;
  for (auto unused : state) {
    (void)unused;
    // Whoever goes second finds warmer caches: they take turns at that too.
    const bool raw_first = raw.size() % 2 == 0;
    if (raw_first) raw.push_back(time_connect(listener, raw_connect));
    hooked.push_back(time_connect(listener, ::connect));
    if (!raw_first) raw.push_back(time_connect(listener, raw_connect));
    drain.empty();
  }
  report(state, raw, hooked);
}
BENCHMARK(allowed_connect)->MinTime(2.0);

// P2.
void denied_connect(benchmark::State& state) {
  const sockaddr_in name = make_name(kDeniedHost, 9);
  const auto* generic = reinterpret_cast<const sockaddr*>(&name);
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  if (::connect(fd.get(), generic, sizeof name) == 0 || errno != ECONNREFUSED) give_up("not denied");
  RingDrain drain;
  const std::uint64_t before = drain.tickets();
  std::uint64_t calls = 0;
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(::connect(fd.get(), generic, sizeof name));
    ++calls;
    drain.empty();
  }
  if (drain.tickets() - before != calls) give_up("a denial was not recorded");
}
BENCHMARK(denied_connect);

// P3.
void allowed_sendto(benchmark::State& state) {
  const UniqueFd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_in name = make_name(kAllowedHost, 0);
  socklen_t size = sizeof name;
  ::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&name), size);
  ::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&name), &size);
  const auto* generic = reinterpret_cast<const sockaddr*>(&name);
  const UniqueFd sender(::socket(AF_INET, SOCK_DGRAM, 0));
  const char byte = 'x';
  ::sendto(sender.get(), &byte, 1, 0, generic, size);
  RingDrain drain;
  std::vector<std::int64_t> raw;
  std::vector<std::int64_t> hooked;
  char taken;
  for (auto unused : state) {
    (void)unused;
    const bool raw_first = raw.size() % 2 == 0;
    const auto send_raw = [&] { ::syscall(SYS_sendto, sender.get(), &byte, 1, 0, generic, size); };
    const auto send_hooked = [&] { ::sendto(sender.get(), &byte, 1, 0, generic, size); };
    const std::int64_t start = now_ns();
    raw_first ? send_raw() : send_hooked();
    const std::int64_t middle = now_ns();
    raw_first ? send_hooked() : send_raw();
    const std::int64_t end = now_ns();
    (raw_first ? raw : hooked).push_back(middle - start);
    (raw_first ? hooked : raw).push_back(end - middle);
    drain.empty();
    while (::recv(receiver.get(), &taken, 1, 0) == 1) {
    }
  }
  report(state, raw, hooked);
}
BENCHMARK(allowed_sendto)->MinTime(1.0);

int run_preloaded(int argc, char** argv) {
  const TemporaryDirectory directory;
  FakeAgent agent(directory.path());
  agent.publish(allow_loopback_among_many());
  ::setenv("LD_PRELOAD", EGRESS_BINARY_DIR "/lib/libegress.so", 1);
  ::setenv("EGRESS_RUNTIME_DIR", directory.path().c_str(), 1);
  ::setenv(kChildMark, "1", 1);
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ) != 0) give_up("posix_spawn");
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace
}  // namespace egress

int main(int argc, char** argv) {
  if (std::getenv(egress::kChildMark) == nullptr) return egress::run_preloaded(argc, argv);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
