// Real calls of a real program under the library: who gets through, what the program and the far side see of it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <signal.h>

#include <string>

#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/listeners.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/preloaded_process.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

class InjectedCallsTest : public testing::Test {
 protected:
  PreloadedProcess::Environment environment() const {
    return {{"EGRESS_RUNTIME_DIR", directory_.path().string()}, {"EGRESS_AGENT", "/nonexistent/egress"}};
  }
  void allow(std::uint16_t port, std::optional<Transport> transport = std::nullopt) {
    agent_.publish(allow_only({{.cidr = "127.0.0.1/32", .port = port, .transport = transport}}));
  }
  static std::string at(const std::string& verb, std::uint16_t port) {
    return verb + " 127.0.0.1 " + std::to_string(port);
  }

  TemporaryDirectory directory_;
  FakeAgent agent_{directory_.path()};
  TcpListener listener_;
  TcpListener other_;
};

TEST_F(InjectedCallsTest, AllowedConnectsArriveAndDeniedOnesDoNot) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  for (const char* verb : {"connect", "__connect", "fastopen"}) {
    EXPECT_EQ(program.ask(at(verb, listener_.port())), "ok") << verb;
    EXPECT_EQ(listener_.accepted(), 1) << verb;
    EXPECT_EQ(program.ask(at(verb, other_.port())), "ECONNREFUSED") << verb;
    EXPECT_EQ(other_.accepted(), 0) << verb;
  }
  const ProcessEnd end = program.finish();
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.errors, "");
}

TEST_F(InjectedCallsTest, DeniedDatagramsDoNotLeave) {
  UdpReceiver receiver;
  UdpReceiver denied;
  allow(receiver.port(), Transport::kUdp);
  PreloadedProcess program("commands", {}, environment());
  for (const char* verb : {"sendto", "sendmsg"}) {
    EXPECT_EQ(program.ask(at(verb, receiver.port())), "ok");
    EXPECT_EQ(receiver.received(), "x");
    EXPECT_EQ(program.ask(at(verb, denied.port())), "ECONNREFUSED");
    EXPECT_EQ(denied.received(), "");
  }
  EXPECT_EQ(program.ask("unspec " + std::to_string(receiver.port())), "ok");
  EXPECT_EQ(receiver.received(), "x");
  EXPECT_EQ(program.ask("unspec " + std::to_string(denied.port())), "ECONNREFUSED");
  EXPECT_EQ(denied.received(), "");
  EXPECT_EQ(program.ask(at("udpconnect", receiver.port())), "ok");
  EXPECT_EQ(program.ask(at("udpconnect", denied.port())), "ECONNREFUSED");
}

TEST_F(InjectedCallsTest, SpellingsOfAnAddressAreOneAddress) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  const std::string port = std::to_string(other_.port());
  EXPECT_EQ(program.ask("connect ::ffff:127.0.0.1 " + port), "ECONNREFUSED");
  EXPECT_EQ(program.ask("connect 0.0.0.0 " + port), "ECONNREFUSED");
  EXPECT_EQ(other_.accepted(), 0);
  EXPECT_EQ(program.ask("connect ::ffff:127.0.0.1 " + std::to_string(listener_.port())), "ok");
  EXPECT_EQ(program.ask("connect 0.0.0.0 " + std::to_string(listener_.port())), "ok");
}

TEST_F(InjectedCallsTest, MalformedCallsKeepTheKernelsErrno) {
  allow(listener_.port());
  const std::vector<std::string> arguments{std::to_string(listener_.port())};
  auto without = environment();
  without["LD_PRELOAD"] = "";
  const ProcessEnd plain = PreloadedProcess("errnos", arguments, without).finish();
  const ProcessEnd hooked = PreloadedProcess("errnos", arguments, environment()).finish();
  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_EQ(hooked.exit_code, 0);
  EXPECT_GT(plain.output.size(), 2000u);
  EXPECT_EQ(hooked.output, plain.output);
  EXPECT_EQ(hooked.errors, "");
  EXPECT_EQ(agent_.hellos(), 1u) << "the allowed calls of the table were judged";
}

TEST_F(InjectedCallsTest, ARunningProgramSeesANewPolicy) {
  allow(other_.port());
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ECONNREFUSED");
  allow(listener_.port());
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  EXPECT_EQ(program.ask(at("connect", other_.port())), "ECONNREFUSED");
  EXPECT_EQ(agent_.hellos(), 1u);
}

TEST_F(InjectedCallsTest, EveryJudgedCallIsRecordedOnce) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  for (int i = 0; i < 20; ++i) {
    program.ask(at("connect", listener_.port()));
    program.ask(at("connect", other_.port()));
    program.ask(at("sendto", other_.port()));
    program.ask("unix");
  }
  const auto events = agent_.events();
  ASSERT_EQ(events.size(), 60u);
  EXPECT_EQ(agent_.dropped(), 0u);
  for (const RingEvent& event : events) {
    EXPECT_EQ(event.pid, static_cast<std::uint32_t>(program.pid()));
    const bool allowed = event.verdict == static_cast<std::uint8_t>(Verdict::kAllow);
    EXPECT_EQ(event.port, allowed ? listener_.port() : other_.port());
  }
}

TEST_F(InjectedCallsTest, AForkedChildSharesTheSessionUnderItsOwnId) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  EXPECT_EQ(program.ask("fork " + at("connect", listener_.port())), "ok");
  EXPECT_EQ(program.ask("fork " + at("connect", other_.port())), "ECONNREFUSED");
  EXPECT_EQ(agent_.hellos(), 1u);
  const auto events = agent_.events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].pid, static_cast<std::uint32_t>(program.pid()));
  EXPECT_NE(events[1].pid, events[0].pid);
  EXPECT_NE(events[1].pid, 0u);
}

TEST_F(InjectedCallsTest, AProgramOutOfDescriptorsStillObeys) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  ASSERT_EQ(program.ask("exhaust"), "1");
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  EXPECT_EQ(program.ask(at("connect", other_.port())), "ECONNREFUSED");
  EXPECT_EQ(agent_.hellos(), 1u);
}

TEST_F(InjectedCallsTest, NothingIsLeftOpen) {
  allow(listener_.port());
  PreloadedProcess program("commands", {}, environment());
  const std::string before = program.ask("descriptors");
  EXPECT_EQ(program.ask("mappings"), "0");
  program.ask(at("connect", listener_.port()));
  EXPECT_EQ(program.ask("descriptors"), before);
  EXPECT_EQ(program.ask("mappings"), "1");
}

TEST_F(InjectedCallsTest, RacingFirstCallsLeaveOneMapping) {
  allow(listener_.port());
  PreloadedProcess program("threads", {std::to_string(listener_.port())}, environment());
  EXPECT_EQ(program.read_line(), "16 1");
  EXPECT_EQ(agent_.events().size(), 16u);
  EXPECT_EQ(agent_.dropped(), 0u);
}

TEST_F(InjectedCallsTest, CallsAllocateNothing) {
  UdpReceiver receiver;
  allow(listener_.port());
  PreloadedProcess program("allocations", {std::to_string(listener_.port()), std::to_string(other_.port())},
                           environment());
  EXPECT_EQ(program.read_line(), "0");
  EXPECT_EQ(agent_.hellos(), 1u);
}

TEST_F(InjectedCallsTest, ABlockedConnectCanBeCancelled) {
  allow(listener_.port());
  PreloadedProcess program("cancellation", {}, environment());
  EXPECT_EQ(program.read_line(), "cancelled");
}

TEST_F(InjectedCallsTest, AnotherPreloadKeepsWorkingOnEitherSide) {
  allow(listener_.port());
  const std::string chained = PreloadedProcess::program_path("libchained.so");
  const std::string ours = PreloadedProcess::library_path();
  for (const std::string& preload : {chained + ":" + ours, ours + ":" + chained}) {
    auto variables = environment();
    variables["LD_PRELOAD"] = preload;
    PreloadedProcess program("commands", {}, variables);
    EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok") << preload;
    EXPECT_EQ(program.ask(at("connect", other_.port())), "ECONNREFUSED") << preload;
    EXPECT_EQ(other_.accepted(), 0) << preload;
    // In front of us it sees both calls, behind us the one that was let through.
    const bool in_front = preload.starts_with(chained);
    EXPECT_EQ(program.finish().errors, in_front ? "chained: 2\n" : "chained: 1\n") << preload;
  }
}

TEST_F(InjectedCallsTest, TheEnvironmentIsKnownAfterTheProgramClearedIt) {
  allow(listener_.port());
  auto variables = environment();
  variables["EGRESS_NAMESPACE"] = "demo";
  PreloadedProcess program("commands", {}, variables);
  EXPECT_EQ(program.ask("clearenv"), "ok");
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  ASSERT_EQ(agent_.hellos(), 1u);
  EXPECT_EQ(agent_.hello_fields()[0][static_cast<std::size_t>(HelloField::kNamespace)], "demo");
}

TEST_F(InjectedCallsTest, DenialsAreShownWhenAskedFor) {
  allow(listener_.port());
  auto variables = environment();
  variables["EGRESS_LOG"] = "deny";
  PreloadedProcess program("commands", {}, variables);
  program.ask(at("connect", listener_.port()));
  program.ask(at("connect", other_.port()));
  EXPECT_EQ(program.finish().errors, "egress: denied 127.0.0.1:" + std::to_string(other_.port()) + "/tcp (policy)\n");
}

TEST_F(InjectedCallsTest, NamesAreJudgedByTheAgent) {
  agent_.publish(allow_names({"api.example"}));
  const Address loopback = make_ipv4(0x7f000001);
  agent_.script_lookup("api.example", {.queries = {}, .addresses = {loopback}});
  agent_.script_lookup("evil.example", {.queries = {}, .addresses = {make_ipv4(0xf0000002)}});
  agent_.bind("api.example", loopback);
  PreloadedProcess program("commands", {}, environment());
  EXPECT_EQ(program.ask("resolve api.example 0 2"), "0 127.0.0.1 =api.example");
  EXPECT_EQ(program.ask(at("connect", listener_.port())), "ok");
  EXPECT_EQ(program.ask("resolve evil.example 0 0"), "0 240.0.0.2");
  EXPECT_EQ(program.ask("connect 240.0.0.2 443"), "ECONNREFUSED");
  EXPECT_EQ(program.ask("fork resolve api.example 0 0"), "0 127.0.0.1") << "a child introduces itself";
  EXPECT_EQ(agent_.lookups(), (std::vector<std::string>{"api.example", "evil.example", "api.example"}));
  EXPECT_EQ(agent_.hellos(), 2u);
}

}  // namespace
}  // namespace egress
