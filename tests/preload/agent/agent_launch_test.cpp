// Launches through the agent's socket, by real processes: this one is the root, its forks are what descends from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "tests/preload/agent/agent_fixture.h"

namespace egress {
namespace {

using ::testing::HasSubstr;
using Fields = std::array<std::string, kHelloFieldCount>;

class AgentLaunchTest : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    server->offer({allow_host("api.example")}, 1);
  }

  // What a descendant's environment says after somebody changed all of it.
  Fields others() const {
    Fields all;
    all[static_cast<std::size_t>(HelloField::kServer)] = "http://127.0.0.1:1";
    all[static_cast<std::size_t>(HelloField::kNamespace)] = "elsewhere";
    all[static_cast<std::size_t>(HelloField::kWorkload)] = "other";
    all[static_cast<std::size_t>(HelloField::kLabels)] = "app=other";
    all[static_cast<std::size_t>(HelloField::kToken)] = "egressw_other";
    all[static_cast<std::size_t>(HelloField::kResolve)] = "evil.example=127.0.0.1";
    return all;
  }

  AgentReply launch(const Fields& fields) {
    auto reply = ask(encode_request(RequestKind::kLaunch, fields));
    EXPECT_TRUE(reply.has_value());
    return std::move(*reply);
  }

  // In a child of this process; 0: no session.
  std::uint64_t session_in_child(const Fields& fields) {
    return in_child([&] {
      const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kHello, fields), kPatience);
      return reply && reply->header.status == 0 ? reply->header.session_id : 0;
    });
  }

  // What `body` says, run in a fork.
  std::uint64_t in_child(const std::function<std::uint64_t()>& body) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::uint64_t answer = body();
      ::_exit(::write(ends[1], &answer, sizeof answer) == sizeof answer ? 0 : 1);
    }
    ::close(ends[1]);
    std::uint64_t answer = 0;
    EXPECT_EQ(::read(ends[0], &answer, sizeof answer), static_cast<ssize_t>(sizeof answer));
    ::close(ends[0]);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    return answer;
  }

  std::size_t journal_files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory.path() / "run" / "launches"), {}));
  }
};

TEST_F(AgentLaunchTest, TheLaunchersFieldsAreTheSessionWhateverAHelloSays) {
  const AgentReply launched = launch(fields());
  ASSERT_EQ(launched.header.status, 0) << launched.body;
  EXPECT_EQ(launched.header.nested, 0);
  EXPECT_EQ(launched.body, "demo");
  auto reply = ask(encode_request(RequestKind::kHello, others()));
  ASSERT_TRUE(reply.has_value());
  const Membership member(std::move(*reply));
  EXPECT_EQ(member.header().session_id, launched.header.session_id);
  EXPECT_EQ(session_in_child(others()), launched.header.session_id);
  EXPECT_EQ(session_in_child(Fields{}), launched.header.session_id) << "with nothing in the environment";
  EXPECT_EQ(status()["sessions"].size(), 1u);
}

TEST_F(AgentLaunchTest, WithoutALaunchAHelloIsBelieved) {
  const auto mine = session_in_child(fields());
  EXPECT_NE(mine, 0u);
  EXPECT_NE(session_in_child(fields("x.example=127.0.0.1")), mine);
}

TEST_F(AgentLaunchTest, ALaunchInALaunchChangesNothing) {
  const AgentReply outer = launch(fields());
  const std::uint64_t inner = in_child([&] {
    const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kLaunch, others()), kPatience);
    const bool nested = reply && reply->header.status == 0 && reply->header.nested == 1 && reply->body == "demo";
    return nested ? reply->header.session_id : 0;
  });
  EXPECT_EQ(inner, outer.header.session_id);
  EXPECT_EQ(session_in_child(others()), outer.header.session_id);
  EXPECT_EQ(launch(others()).header.nested, 1) << "the root itself, too";
}

TEST_F(AgentLaunchTest, ADaemonInTheSessionOfALivingMemberStays) {
  const AgentReply launched = launch(fields());
  const std::uint64_t found = in_child([&]() -> std::uint64_t {
    ::setsid();
    const auto known = ask_agent(socket_path(), encode_request(RequestKind::kHello, others()), kPatience);
    if (!known || known->header.session_id != launched.header.session_id) return 0;
    int ends[2];
    if (::pipe(ends) != 0) return 0;
    if (const pid_t middle = ::fork(); middle == 0) {
      const pid_t middle_pid = ::getpid();
      if (::fork() == 0) {
        while (::getppid() == middle_pid) std::this_thread::yield();
        const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kHello, others()), kPatience);
        const std::uint64_t session = reply ? reply->header.session_id : 0;
        ::_exit(::write(ends[1], &session, sizeof session) == sizeof session ? 0 : 1);
      }
      ::_exit(0);
    } else {
      ::waitpid(middle, nullptr, 0);
    }
    std::uint64_t session = 0;
    return ::read(ends[0], &session, sizeof session) == sizeof session ? session : 0;
  });
  EXPECT_EQ(found, launched.header.session_id);
}

TEST_F(AgentLaunchTest, AnotherAgentKnowsTheLaunchOfOneThatWasKilled) {
  launch(fields());
  EXPECT_EQ(journal_files(), 1u);
  restart();
  auto reply = ask(encode_request(RequestKind::kHello, others()));
  ASSERT_TRUE(reply.has_value());
  const Membership member(std::move(*reply));
  ASSERT_EQ(status()["sessions"].size(), 1u);
  EXPECT_EQ(status()["sessions"][0]["namespace"], "demo");
  EXPECT_EQ(status()["sessions"][0]["server"], server->url());
}

TEST_F(AgentLaunchTest, ALaunchIsForgottenWithItsLastProcess) {
  EXPECT_EQ(in_child([&] {
              const auto reply = ask_agent(socket_path(), encode_request(RequestKind::kLaunch, fields()), kPatience);
              return reply && reply->header.status == 0 ? 1 : 0;
            }),
            1u);
  agent->clock().advance_ms(60'000);
  EXPECT_TRUE(await_status([&](const nlohmann::json&) { return journal_files() == 0; }));
}

TEST_F(AgentLaunchTest, ARefusedLaunchIsNone) {
  Fields wrong = fields();
  wrong[static_cast<std::size_t>(HelloField::kNamespace)] = "Not/A/Namespace";
  const AgentReply refused = launch(wrong);
  EXPECT_EQ(static_cast<ReplyStatus>(refused.header.status), ReplyStatus::kRefused);
  EXPECT_THAT(refused.body, HasSubstr("EGRESS_NAMESPACE"));
  EXPECT_EQ(journal_files(), 0u);
  EXPECT_NE(session_in_child(fields()), 0u);
  EXPECT_EQ(launch(fields()).header.nested, 0);
}

TEST_F(AgentLaunchTest, ALaunchThatCannotBeRecordedIsRefused) {
  const auto launches = directory.path() / "run" / "launches";
  std::filesystem::remove_all(launches);
  const AgentReply refused = launch(fields());
  EXPECT_EQ(static_cast<ReplyStatus>(refused.header.status), ReplyStatus::kRefused);
  std::filesystem::create_directory(launches);
  EXPECT_EQ(launch(fields()).header.nested, 0) << "and nothing of it was kept";
}

}  // namespace
}  // namespace egress
