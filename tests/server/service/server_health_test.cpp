#include "server/service/server_health.h"

#include <nlohmann/json.hpp>

#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

// A store whose reads fail.
class BrokenStore final : public Store {
 protected:
  Expected<void> run_read(const std::function<void(Reader&)>&) override {
    return fail(ErrorCode::kUnavailable, "the disk is gone");
  }
  Expected<void> run_write(const std::function<bool(Writer&)>&) override {
    return fail(ErrorCode::kUnavailable, "the disk is gone");
  }
};

class ServerHealthTest : public ServiceTest {};

std::string missing(const Result<void>& ready) { return ready ? "" : ready.error().fields->at("missing").dump(); }

TEST_F(ServerHealthTest, IsReadyWithAStoreARevisionAndAKey) {
  ServerHealth health(*store_);
  EXPECT_EQ(missing(health.check_ready(true)), "[\"revision\"]");
  EXPECT_EQ(missing(health.check_ready(false)), "[\"revision\",\"signing_key\"]");
  const auto bumped = store_->write(
      [](Writer& writer) -> Expected<std::uint64_t> { return writer.bump_revision(1, "me", "a first one"); });
  ASSERT_TRUE(bumped);
  EXPECT_TRUE(health.check_ready(true));
  EXPECT_EQ(missing(health.check_ready(false)), "[\"signing_key\"]");
}

TEST_F(ServerHealthTest, AStoreThatDoesNotAnswerIsNotReady) {
  BrokenStore broken;
  ServerHealth health(broken);
  const auto ready = health.check_ready(true);
  EXPECT_EQ(missing(ready), "[\"store\"]");
  EXPECT_EQ(ready.error().code, "not_ready");
  EXPECT_EQ(ready.error().kind, ErrorCode::kUnavailable);
  EXPECT_FALSE(health.fleet());
}

TEST_F(ServerHealthTest, CountsAgentsByWhatTheyReport) {
  const auto done = store_->write([](Writer& writer) -> Expected<void> {
    for (int i = 0; i < 3; ++i) writer.bump_revision(1, "me", "one");
    const auto report = [&](const char* id, std::uint64_t active, const char* error) {
      AgentStatus status;
      status.agent_id = id;
      status.active = active;
      status.error = error;
      writer.put_agent_status(status);
    };
    report("a", 3, "");
    report("b", 3, "");
    report("c", 2, "");
    report("d", 3, "bundle refused");
    return {};
  });
  ASSERT_TRUE(done);
  const auto fleet = ServerHealth(*store_).fleet();
  ASSERT_TRUE(fleet);
  EXPECT_EQ(fleet->revision, 3u);
  EXPECT_EQ(fleet->agents.newest, 2u);
  EXPECT_EQ(fleet->agents.older, 1u);
  EXPECT_EQ(fleet->agents.failing, 1u);
}

}  // namespace
}  // namespace egress::server
