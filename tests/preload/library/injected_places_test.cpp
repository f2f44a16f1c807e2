// Every hook, called first from each place that POSIX allows (interception.md, rule 1), so that the hello happens
// there.
#include <gtest/gtest.h>

#include <string>

#include "tests/preload/library/fake_agent.h"
#include "tests/preload/library/listeners.h"
#include "tests/preload/library/policies.h"
#include "tests/preload/library/preloaded_process.h"
#include "tests/preload/library/temporary_directory.h"

namespace egress {
namespace {

class InjectedPlacesTest : public testing::TestWithParam<const char*> {};

TEST_P(InjectedPlacesTest, EveryHookWorksThere) {
  const std::string where = GetParam();
  TemporaryDirectory directory;
  FakeAgent agent(directory.path());
  TcpListener allowed;
  TcpListener denied;
  agent.publish(allow_only({{.cidr = "127.0.0.1/32", .port = allowed.port(), .transport = std::nullopt}}));
  PreloadedProcess program("everywhere", {where, std::to_string(allowed.port()), std::to_string(denied.port())},
                           {{"EGRESS_RUNTIME_DIR", directory.path().string()}, {"EGRESS_NAMESPACE", "demo"}});
  const pid_t pid = program.pid();
  const ProcessEnd end = program.finish();
  EXPECT_EQ(end.output, where + " ok\n");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.errors, "");
  EXPECT_EQ(allowed.accepted(), 2);
  EXPECT_EQ(denied.accepted(), 0);
  ASSERT_EQ(agent.hellos(), 1u);
  EXPECT_EQ(agent.hello_fields()[0][static_cast<std::size_t>(HelloField::kNamespace)], "demo");
  const auto events = agent.events();
  EXPECT_EQ(events.size(), 8u);
  for (const RingEvent& event : events) {
    EXPECT_TRUE(where == "vfork" || event.pid == static_cast<std::uint32_t>(pid)) << event.pid;
  }
}

INSTANTIATE_TEST_SUITE_P(Places, InjectedPlacesTest,
                         testing::Values("preinit", "constructor", "main", "handler", "vfork", "thread", "atexit"),
                         [](const auto& place) { return std::string(place.param); });

}  // namespace
}  // namespace egress
