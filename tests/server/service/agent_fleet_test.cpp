#include "server/service/agent_fleet.h"

#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using AgentFleetTest = ServiceTest;

TEST_F(AgentFleetTest, RemembersTheLastReportOfEachAgentAndWorkload) {
  AgentFleet fleet(*store_, clock_);
  AgentStatus status;
  status.agent_id = "agent-1";
  status.namespace_path = "prod";
  status.workload = "web";
  status.offered = 3;
  ASSERT_EQ(fleet.report(status), 0U);
  status.active = 3;
  ASSERT_TRUE(fleet.report(status));
  status.workload = "db";
  ASSERT_TRUE(fleet.report(status));
  const auto first = fleet.list("/", "", 1);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->items.size(), 1U);
  EXPECT_EQ(first->items[0].workload, "db");
  ASSERT_TRUE(first->next_after);
  const auto second = fleet.list("/", *first->next_after, 1);
  ASSERT_EQ(second->items.size(), 1U);
  EXPECT_EQ(second->items[0].workload, "web");
  EXPECT_EQ(second->items[0].active, 3U);
  EXPECT_EQ(second->items[0].reported_at_ms, clock_.now_ms());
  EXPECT_FALSE(second->next_after);
}

}  // namespace
}  // namespace egress::server
