// The whole agent in this process: its socket, its pool, its disk, against a server on loopback.
#include "preload/agent/agent.h"

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

#include "preload/launcher/agent_connection.h"
#include "shared/session/judge.h"
#include "shared/session/ring.h"
#include "tests/preload/agent/fake_control_plane.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
const Address kUpstream = make_ipv4(0x7f000001);

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

TEST_F(AgentTest, GivesAProcessItsPolicyNamesAndBindings) {
  server->offer({allow_host("api.example")}, 3);
  const auto member = hello();
  EXPECT_EQ(member->header().no_policy, 0);
  EXPECT_EQ(member->text(), "");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kDeny);
  EXPECT_EQ(lookup("api.example").queries, std::vector<std::string>{"api.example"});
  EXPECT_EQ(bind("api.example", kUpstream), ReplyStatus::kOk);
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  const auto refused = lookup("evil.example");
  EXPECT_TRUE(refused.queries.empty());
  ASSERT_EQ(refused.addresses.size(), 1u);
  EXPECT_TRUE(is_synthetic(refused.addresses[0]));
  EXPECT_TRUE(lookup("bad name").addresses.empty());
}

TEST_F(AgentTest, TheArenaCannotBeWrittenThroughWhatAProcessGets) {
  server->offer({}, 1);
  const auto member = hello();
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, member->arena_fd(), 0), MAP_FAILED);
  const std::string path = "/proc/self/fd/" + std::to_string(member->arena_fd());
  const UniqueFd writable(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (writable) {  // root may reopen it; the seal must hold all the same
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable.get(), 0), MAP_FAILED);
    EXPECT_LT(::pwrite(writable.get(), "x", 1, 0), 0);
  }
}

TEST_F(AgentTest, APolicyChangeReachesAMappedArena) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello("api.example=127.0.0.1");
  EXPECT_EQ(lookup("api.example").addresses, std::vector<Address>{kUpstream});
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  server->offer({block_host("api.example")}, 2);
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny));
  server->offer({allow_host("api.example")}, 3);
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kAllow));
}

TEST_F(AgentTest, PostsWhatWasOfferedAndWhatIsActive) {
  server->offer({allow_host("api.example")}, 4);
  const auto member = hello();
  const auto post = nlohmann::json::parse(server->wait_for("/api/bundle/status", 1)[0]);
  EXPECT_EQ(post["offered"], 4);
  EXPECT_EQ(post["active"], 4);
  EXPECT_EQ(post["namespace"], "demo");
  EXPECT_EQ(post["error"], "");
  EXPECT_EQ(post["agent_id"].get<std::string>().size(), 32u);
}

TEST_F(AgentTest, EventsAreUploadedAsLogsAndSpans) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello();
  member->connect_and_record(make_ipv4(0xcb007105), 8443);
  const auto logs = server->wait_for("/v1/logs", 1);
  EXPECT_NE(logs[0].find("egress.dial.denied"), std::string::npos);
  EXPECT_NE(logs[0].find("203.0.113.5"), std::string::npos);
  server->wait_for("/v1/traces", 1);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["uploaded"] == 1; }));
}

TEST_F(AgentTest, RepeatsAreFoldedAndFlushedAtTheEnd) {
  server->offer({}, 1);
  const auto member = hello();
  for (int i = 0; i < 300; ++i) member->connect_and_record(make_ipv4(0xcb007105), 443);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["recorded"] == 300; }));
  agent.reset();
  std::uint64_t told = 0;
  for (const auto& body : server->wait_for("/v1/logs", 2)) {
    const auto logs = nlohmann::json::parse(body);
    for (const auto& record : logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) {
      for (const auto& attribute : record["attributes"]) {
        if (attribute["key"] == "egress.count") told += std::stoull(attribute["value"]["intValue"].get<std::string>());
      }
    }
  }
  EXPECT_EQ(told, 300u);
}

TEST_F(AgentTest, EventsOfAProcessThatIsGoneAreNotLost) {
  server->offer({}, 1);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kHello, fields()), kPatience);
    if (!reply) ::_exit(1);
    Membership member(std::move(const_cast<AgentReply&>(*reply)));
    for (std::uint16_t port = 1; port <= 20; ++port) member.connect_and_record(make_ipv4(0xcb007105), port);
    ::kill(::getpid(), SIGKILL);
  }
  int ended = 0;
  ASSERT_EQ(::waitpid(child, &ended, 0), child);
  ASSERT_TRUE(WIFSIGNALED(ended));
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["uploaded"] == 20; }));
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["process_count"] == 0; }));
}

TEST_F(AgentTest, AForkedChildBelongsToItsParentsSession) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kLookup, {"api.example"}), kPatience);
    ::_exit(reply && reply->header.status == 0 && reply->header.query_count == 1 ? 0 : 1);
  }
  int ended = 0;
  ASSERT_EQ(::waitpid(child, &ended, 0), child);
  EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

TEST_F(AgentTest, AStrangerMustSayHelloFirst) {
  const auto reply = ask(encode_request(RequestKind::kLookup, {"api.example"}));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(static_cast<ReplyStatus>(reply->header.status), ReplyStatus::kUnknownProcess);
  EXPECT_EQ(bind("api.example", kUpstream), ReplyStatus::kUnknownProcess);
}

TEST_F(AgentTest, AnUnknownNamespaceGetsTheServersWordAndTheNextPolicyWhenItComes) {
  const auto member = hello();
  EXPECT_EQ(member->header().no_policy, static_cast<std::uint8_t>(NoPolicyCause::kNamespaceUnknown));
  EXPECT_EQ(member->text(), "namespace demo does not exist: create it");
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
  server->offer({allow_host("api.example")}, 1);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["revision"] == 1; }));
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kPolicy);
}

TEST_F(AgentTest, ADeletedNamespaceTakesThePolicyAway) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  server->forget_namespace();
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny));
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
}

TEST_F(AgentTest, WithoutAServerAndABundleItFailsClosedAndSaysWhatToDo) {
  url = server->url();
  server.reset();
  const auto member = hello();
  EXPECT_EQ(member->header().no_policy, static_cast<std::uint8_t>(NoPolicyCause::kUnavailable));
  EXPECT_NE(member->text().find(url), std::string::npos) << member->text();
  EXPECT_NE(member->text().find("EGRESS_SERVER"), std::string::npos) << member->text();
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
}

TEST_F(AgentTest, WithoutAServerTheStoredBundleIsServed) {
  server->offer({allow_host("api.example")}, 9);
  { const auto member = hello(); }
  url = server->url();
  restart();
  server.reset();
  const auto member = hello("api.example=127.0.0.1");
  EXPECT_EQ(member->header().no_policy, 0) << member->text();
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  const auto session = status()["sessions"][0];
  EXPECT_EQ(session["revision"], 9);
  EXPECT_EQ(session["connected"], false);
}

TEST_F(AgentTest, BadBundlesLeaveTheLastGoodOneInForceAndAreReported) {
  server->offer({allow_host("api.example")}, 5);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  const auto foreign = make_bundle(SigningKey::generate(), 6, "demo", {block_host("api.example")});
  const auto older = make_bundle(server->key(), 4, "demo", {block_host("api.example")});
  const auto elsewhere = make_bundle(server->key(), 6, "other", {block_host("api.example")});
  std::size_t posts = server->wait_for("/api/bundle/status", 1).size();
  for (const std::string& bad : {foreign.envelope, older.envelope, elsewhere.envelope, std::string("garbage")}) {
    server->offer_envelope(bad);
    const auto bodies = server->wait_for("/api/bundle/status", posts + 1);
    posts = bodies.size();
    const auto post = nlohmann::json::parse(bodies.back());
    EXPECT_NE(post["error"], "");
    EXPECT_EQ(post["active"], 5);
    EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
    EXPECT_NE(status()["sessions"][0]["error"], "");
  }
  server->offer({block_host("api.example")}, 7);
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kDeny));
}

TEST_F(AgentTest, ADamagedLayerIsRefusedAndFetchedAnew) {
  server->damage_layers(true);
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello();
  EXPECT_NE(member->text(), "");
  EXPECT_EQ(member->connect(kUpstream).decision.reason, DenyReason::kNoPolicy);
  server->damage_layers(false);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["revision"] == 1; }));
}

TEST_F(AgentTest, OtherAnswersLeaveThePolicyAlone) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  FakeServer::Response huge{.status = 200, .body = std::string(8u << 20, 'x')};
  FakeServer::Response not_ours{.status = 404, .body = "<html>not found</html>"};
  FakeServer::Response broken{.status = 500, .body = ""};
  for (const auto& response : {huge, not_ours, broken}) {
    server->answer_everything(response);
    EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["error"] != ""; }));
    EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
    server->answer_everything(std::nullopt);
    EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["error"] == ""; }));
  }
}

TEST_F(AgentTest, PastMaxStaleItDeniesIfTheManifestSaysSoUntilTheServerAnswersAgain) {
  Manifest manifest;
  manifest.max_stale_s = 600;
  manifest.stale_action = StaleAction::kDeny;
  server->offer({allow_host("api.example")}, 1, manifest);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
  agent->clock().advance_ms(601'000);
  server->answer_everything(FakeServer::Response{.status = 503});
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["stale"] == true; }));
  EXPECT_EQ(member->connect(kUpstream).decision.no_policy, NoPolicyCause::kStale);
  server->answer_everything(std::nullopt);
  EXPECT_TRUE(member->await_verdict(kUpstream, Verdict::kAllow));
  EXPECT_EQ(status()["sessions"][0]["stale"], false);
}

TEST_F(AgentTest, PastMaxStaleItKeepsThePolicyByDefaultAndShowsIt) {
  Manifest manifest;
  manifest.max_stale_s = 600;
  server->offer({allow_host("api.example")}, 1, manifest);
  const auto member = hello("api.example=127.0.0.1");
  lookup("api.example");
  agent->clock().advance_ms(601'000);
  server->answer_everything(FakeServer::Response{.status = 503});
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["sessions"][0]["stale"] == true; }));
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kAllow);
}

TEST_F(AgentTest, AnUploadThatTheServerRefusesIsCountedAndSaid) {
  server->offer({}, 1);
  const auto member = hello();
  server->answer_everything(FakeServer::Response{.status = 400});
  member->connect_and_record(make_ipv4(0xcb007105), 443);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["dropped"] == 1; }));
  EXPECT_EQ(status()["events"]["recorded"], 0);
  server->answer_everything(std::nullopt);
  EXPECT_TRUE(await_status([&](const nlohmann::json&) {
    for (const auto& body : server->wait_for("/v1/logs", 1)) {
      if (body.find("egress.events.dropped") != std::string::npos) return true;
    }
    return false;
  }));
}

TEST_F(AgentTest, EventsWaitForAServerThatIsOverloaded) {
  server->offer({}, 1);
  const auto member = hello();
  server->answer_everything(FakeServer::Response{.status = 503});
  member->connect_and_record(make_ipv4(0xcb007105), 443);
  server->wait_for("/v1/logs", 2);
  EXPECT_EQ(status()["events"]["pending"], 1);
  server->answer_everything(std::nullopt);
  EXPECT_TRUE(await_status([](const nlohmann::json& json) { return json["events"]["uploaded"] == 1; }));
}

TEST_F(AgentTest, EqualHellosShareASessionAndOthersDoNot) {
  server->offer({}, 1);
  const auto first = hello();
  const auto second = hello();
  const auto other = hello("x.example=127.0.0.1");
  EXPECT_EQ(first->header().session_id, second->header().session_id);
  EXPECT_NE(first->header().session_id, other->header().session_id);
  EXPECT_EQ(status()["sessions"].size(), 2u);
}

TEST_F(AgentTest, RefusesHellosThatMakeNoSense) {
  auto wrong = fields();
  wrong[1] = "Not/A/Namespace";
  const auto reply = ask(encode_request(RequestKind::kHello, wrong));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(static_cast<ReplyStatus>(reply->header.status), ReplyStatus::kRefused);
  EXPECT_NE(reply->body.find("EGRESS_NAMESPACE"), std::string::npos);
  EXPECT_TRUE(status()["sessions"].empty());
}

UniqueFd connect_raw(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST_F(AgentTest, GarbageOnTheSocketHarmsNobody) {
  server->offer({allow_host("api.example")}, 1);
  const auto member = hello();
  std::string hello_bytes = encode_request(RequestKind::kHello, fields());
  std::vector<std::string> messages = {"x", std::string(100'000, 'A'), std::string(64, '\0'), hello_bytes + "more"};
  for (std::size_t at = 0; at < hello_bytes.size(); ++at) {
    std::string flipped = hello_bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x80);
    messages.push_back(flipped);
    messages.push_back(hello_bytes.substr(0, at));
  }
  for (const std::string& message : messages) {
    const UniqueFd peer = connect_raw(socket_path());
    ::send(peer.get(), message.data(), message.size(), MSG_NOSIGNAL);
  }
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(connect_raw(socket_path()));
  EXPECT_EQ(lookup("api.example").queries.size(), 1u);
  EXPECT_EQ(member->connect(kUpstream).decision.verdict, Verdict::kDeny);
}

TEST_F(AgentTest, StatusShowsTheSessionAndItsProcess) {
  server->offer({allow_host("api.example")}, 2);
  const auto member = hello();
  const auto json = status();
  EXPECT_EQ(json["agent"]["pid"], ::getpid());
  ASSERT_EQ(json["sessions"].size(), 1u);
  const auto& session = json["sessions"][0];
  EXPECT_EQ(session["namespace"], "demo");
  EXPECT_EQ(session["server"], server->url());
  EXPECT_EQ(session["revision"], 2);
  EXPECT_EQ(session["mode"], "enforcement");
  EXPECT_EQ(session["connected"], true);
  EXPECT_EQ(session["processes"][0]["pid"], ::getpid());
}

TEST_F(AgentTest, StopRemovesTheSocket) {
  EXPECT_TRUE(std::filesystem::exists(socket_path()));
  agent.reset();
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  EXPECT_EQ(ask(encode_request(RequestKind::kStatus, {})).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace egress
