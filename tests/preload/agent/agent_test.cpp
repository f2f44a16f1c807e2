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

#include <cstring>
#include <fstream>

#include "tests/preload/agent/agent_fixture.h"

namespace egress {
namespace {

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
