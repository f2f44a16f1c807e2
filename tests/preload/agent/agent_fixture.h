// The whole agent in this process: its socket, its pool, its disk, against a server on loopback; and what a process
// that says hello holds.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "preload/agent/agent.h"
#include "preload/launcher/agent_connection.h"
#include "shared/session/judge.h"
#include "shared/session/ring.h"
#include "tests/preload/agent/fake_control_plane.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {

using namespace std::chrono_literals;

inline constexpr auto kPatience = 30s;
inline const Address kUpstream = make_ipv4(0x7f000001);

// The machine's time plus what the test adds to it.
class ShiftedClock final : public Clock {
 public:
  UnixMillis now_ms() const override { return SystemClock().now_ms() + shift_ms_.load(); }
  void advance_ms(UnixMillis delta_ms) { shift_ms_ += delta_ms; }

 private:
  std::atomic<UnixMillis> shift_ms_{0};
};

// An agent on a thread of its own, which owns its arenas.
class RunningAgent {
 public:
  RunningAgent(const std::filesystem::path& directory, const RequestHandler::Files& files) {
    AgentSettings settings;
    settings.runtime_dir = directory / "run";
    settings.state_dir = directory / "state";
    settings.idle_exit_s = 0;
    std::filesystem::create_directories(settings.runtime_dir);
    thread_ = std::thread([this, settings, files] {
      auto created = Agent::create(settings, clock_, files);
      if (!created) {
        ready_.set_exception(std::make_exception_ptr(std::runtime_error(created.error().message)));
        return;
      }
      ready_.set_value(created->get());
      (*created)->run();
      // The agent's own thread ends it; nobody may ask it to stop after that.
    });
    agent_ = ready_.get_future().get();
  }
  ~RunningAgent() {
    agent_->request_stop();
    thread_.join();
  }

  ShiftedClock& clock() { return clock_; }

 private:
  ShiftedClock clock_;
  std::promise<Agent*> ready_;
  Agent* agent_ = nullptr;
  std::thread thread_;
};

// What a hello gave, mapped as the library maps it.
class Membership {
 public:
  explicit Membership(AgentReply reply) : reply_(std::move(reply)) {
    if (reply_.descriptors.size() != 2) throw std::runtime_error("expected arena and ring: " + reply_.body);
    arena_ = map(reply_.descriptors[0].get(), kArenaBytes, PROT_READ);
    ring_ = map(reply_.descriptors[1].get(), kRingBytes, PROT_READ | PROT_WRITE);
  }
  ~Membership() {
    ::munmap(arena_, kArenaBytes);
    ::munmap(ring_, kRingBytes);
  }

  Judgement connect(Address address, std::uint16_t port = 443) const {
    return judge(static_cast<const std::byte*>(arena_),
                 {.address = address, .port = port, .transport = Transport::kTcp, .now_ms = SystemClock().now_ms()});
  }

  void connect_and_record(Address address, std::uint16_t port) {
    const Judgement judgement = connect(address, port);
    RingEvent event;
    event.time_ns = SystemClock().now_ms() * 1'000'000;
    event.generation = judgement.generation;
    event.address_high = address.high;
    event.address_low = address.low;
    event.name_id = judgement.decision.name_id;
    event.rule = judgement.decision.rule;
    event.layer = judgement.decision.layer;
    event.port = port;
    event.verdict = static_cast<std::uint8_t>(judgement.decision.verdict);
    event.reason = static_cast<std::uint8_t>(judgement.decision.reason);
    record_event(static_cast<std::byte*>(ring_), event);
  }

  // Until a connect there is judged so, whatever the generation.
  bool await_verdict(Address address, Verdict verdict) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (connect(address).decision.verdict != verdict) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const ReplyHeader& header() const { return reply_.header; }
  std::string text() const { return reply_.body.substr(0, reply_.header.text_bytes); }
  int arena_fd() const { return reply_.descriptors[0].get(); }

 private:
  static void* map(int fd, std::size_t size, int protection) {
    void* mapped = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) throw std::runtime_error("mmap failed");
    return mapped;
  }
  AgentReply reply_;
  void* arena_ = nullptr;
  void* ring_ = nullptr;
};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(directory.path() / "hosts") << "127.0.0.1 localhost\n";
    std::ofstream(directory.path() / "resolv.conf") << "search corp.example\n";
    server = std::make_unique<FakeControlPlane>();
    start();
  }
  void start() {
    agent = std::make_unique<RunningAgent>(
        directory.path(), RequestHandler::Files{directory.path() / "hosts", directory.path() / "resolv.conf"});
  }
  void restart() {
    agent.reset();
    start();
  }

  std::filesystem::path socket_path() const { return directory.path() / "run" / kAgentSocketName; }

  Expected<AgentReply> ask(const std::string& request) { return ask_agent(socket_path(), request, kPatience); }

  std::array<std::string, kHelloFieldCount> fields(const std::string& resolve = {}) const {
    std::array<std::string, kHelloFieldCount> all;
    all[static_cast<std::size_t>(HelloField::kServer)] = url.empty() ? server->url() : url;
    all[static_cast<std::size_t>(HelloField::kNamespace)] = "demo";
    all[static_cast<std::size_t>(HelloField::kResolve)] = resolve;
    return all;
  }

  std::unique_ptr<Membership> hello(const std::string& resolve = {}) {
    auto reply = ask(encode_request(RequestKind::kHello, fields(resolve)));
    EXPECT_TRUE(reply.has_value()) << reply.error().message;
    EXPECT_EQ(reply->header.status, 0) << reply->body;
    return std::make_unique<Membership>(std::move(*reply));
  }

  struct Answer {
    std::vector<std::string> queries;
    std::vector<Address> addresses;
  };
  Answer lookup(const std::string& name) {
    const auto reply = ask(encode_request(RequestKind::kLookup, {name}));
    EXPECT_TRUE(reply.has_value());
    EXPECT_EQ(reply->header.status, 0) << reply->body;
    Answer answer;
    const char* at = reply->body.data();
    for (int i = 0; i < reply->header.query_count; ++i) {
      answer.queries.emplace_back(at);
      at += answer.queries.back().size() + 1;
    }
    answer.addresses.resize(reply->header.address_count);
    const std::size_t offset = (reply->header.text_bytes + 7) / 8 * 8;
    EXPECT_EQ(reply->body.size(), offset + answer.addresses.size() * sizeof(Address));
    if (!answer.addresses.empty()) {
      std::memcpy(answer.addresses.data(), reply->body.data() + offset, answer.addresses.size() * sizeof(Address));
    }
    return answer;
  }

  ReplyStatus bind(const std::string& name, Address address) {
    std::string request = encode_request(RequestKind::kBind, {name});
    RequestHeader header;
    std::memcpy(&header, request.data(), sizeof header);
    header.address_count = 1;
    std::memcpy(request.data(), &header, sizeof header);
    request.append(reinterpret_cast<const char*>(&address), sizeof address);
    const auto reply = ask(request);
    EXPECT_TRUE(reply.has_value());
    return static_cast<ReplyStatus>(reply->header.status);
  }

  nlohmann::json status() { return nlohmann::json::parse(fetch_status(socket_path()).value()); }

  // Until status() satisfies it.
  template <typename Condition>
  bool await_status(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition(status())) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TempDirectory directory;
  std::string url;  // empty: server's
  std::unique_ptr<FakeControlPlane> server;
  std::unique_ptr<RunningAgent> agent;
};

}  // namespace egress
