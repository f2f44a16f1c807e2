#include "server/service/workloads.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/service/namespaces.h"
#include "server/service/token_store.h"
#include "server/service/workload_reports.h"
#include "shared/bundle/digest.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using Labels = std::map<std::string, std::string>;

class RecordingWorkloadObserver final : public WorkloadObserver {
 public:
  void workload_changed(const std::string& namespace_path, const std::string& name) override {
    changes.push_back(namespace_path + ":" + name);
  }
  void workloads_closed() override { ++closed; }
  std::vector<std::string> changes;
  int closed = 0;
};

class WorkloadsTest : public ServiceTest {
 protected:
  WorkloadsTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
    for (const char* path : {"prod", "prod/payments", "dev"}) {
      NamespacePut put;
      put.path = path;
      put.actor = admin("me");
      if (!namespaces_.put(put)) throw std::runtime_error("no namespace");
    }
    tokens_.set_revocation_observer([this](const TokenRecord& token) { revoked_.push_back(token.id); });
  }

  static Principal operator_of(const std::string& path) {
    return {Principal::Kind::kUser, "op", Role::kOperator, path, {}, {}};
  }
  static WorkloadPut put_of(const std::string& path, const std::string& name) {
    WorkloadPut put;
    put.namespace_path = path;
    put.name = name;
    put.actor = admin("me");
    return put;
  }
  WorkloadPutResult registered(const WorkloadPut& put) {
    auto result = workloads_.put(put);
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }
  std::vector<std::string> names(const std::string& subtree, std::size_t limit = 100) {
    std::vector<std::string> all;
    Workloads::Position after;
    while (true) {
      const auto page = workloads_.list(subtree, after, limit).value();
      for (const auto& record : page.items) all.push_back(record.namespace_path + ":" + record.name);
      if (!page.next_after) return all;
      after = *page.next_after;
    }
  }

  Namespaces namespaces_{*store_, clock_, observer_};
  TokenRegistry tokens_{clock_};
  RecordingWorkloadObserver watched_;
  Workloads workloads_{*store_, clock_, tokens_, watched_};
  std::vector<std::string> revoked_;
};

TEST_F(WorkloadsTest, ARegistrationGivesATokenThatIsTheWorkload) {
  WorkloadPut put = put_of("prod", "checkout");
  put.labels = change_to(Labels{{"app", "pay"}});
  put.target = change_to(std::string("deployment/checkout"));
  const auto result = registered(put);
  EXPECT_TRUE(result.created);
  ASSERT_TRUE(result.token);
  const auto principal = tokens_.authenticate(*result.token);
  ASSERT_TRUE(principal) << principal.error().message;
  EXPECT_EQ(principal->kind, Principal::Kind::kWorkload);
  EXPECT_EQ(principal->scope, "prod");
  EXPECT_EQ(principal->workload, "checkout");
  const auto registration = workloads_.find_registration(*principal);
  ASSERT_TRUE(registration) << registration.error().message;
  EXPECT_EQ(registration->record.labels, (Labels{{"app", "pay"}}));
  EXPECT_EQ(registration->record.target, "deployment/checkout");
  EXPECT_EQ(registration->token_sha256, format_sha256(sha256(*result.token)));
}

TEST_F(WorkloadsTest, AnUpdateKeepsTheTokenAndWhatIsAbsent) {
  WorkloadPut put = put_of("prod", "checkout");
  put.labels = change_to(Labels{{"app", "pay"}});
  put.target = change_to(std::string("deployment/checkout"));
  const auto first = registered(put);
  clock_.advance_ms(1000);
  WorkloadPut update = put_of("prod", "checkout");
  update.labels = change_to(Labels{{"app", "other"}});
  const auto second = registered(update);
  EXPECT_FALSE(second.created);
  EXPECT_FALSE(second.token);
  EXPECT_EQ(second.record.token_id, first.record.token_id);
  EXPECT_EQ(second.record.labels, (Labels{{"app", "other"}}));
  EXPECT_EQ(second.record.target, "deployment/checkout");
  EXPECT_EQ(second.record.created_at_ms + 1000, second.record.updated_at_ms);
  EXPECT_TRUE(tokens_.authenticate(*first.token));
  WorkloadPut reset = put_of("prod", "checkout");
  reset.labels.present = true;
  reset.target.present = true;
  const auto third = registered(reset);
  EXPECT_TRUE(third.record.labels.empty());
  EXPECT_EQ(third.record.target, "");
  EXPECT_THAT(watched_.changes, ElementsAre("prod:checkout", "prod:checkout", "prod:checkout"));
}

TEST_F(WorkloadsTest, ARotationEndsTheOldTokenAndStartsANewOne) {
  const auto first = registered(put_of("prod", "checkout"));
  WorkloadPut put = put_of("prod", "checkout");
  put.rotate_token = true;
  const auto second = registered(put);
  EXPECT_FALSE(second.created);
  ASSERT_TRUE(second.token);
  EXPECT_NE(*second.token, *first.token);
  EXPECT_EQ(tokens_.authenticate(*first.token).error().code, "token_revoked");
  EXPECT_TRUE(tokens_.authenticate(*second.token));
  EXPECT_THAT(revoked_, ElementsAre(first.record.token_id));
}

TEST_F(WorkloadsTest, ARemovalEndsItsToken) {
  const auto result = registered(put_of("prod", "checkout"));
  const auto principal = tokens_.authenticate(*result.token).value();
  ASSERT_TRUE(workloads_.remove({"prod", "checkout", admin("me")}));
  EXPECT_EQ(tokens_.authenticate(*result.token).error().code, "token_revoked");
  EXPECT_EQ(workloads_.recheck(principal).error().code, "token_revoked");
  EXPECT_EQ(workloads_.find_registration(principal).error().code, "token_revoked");
  EXPECT_EQ(workloads_.get("prod", "checkout").error().code, "workload_unknown");
  EXPECT_EQ(workloads_.remove({"prod", "checkout", admin("me")}).error().code, "workload_unknown");
}

TEST_F(WorkloadsTest, ARegistrationAnewIsNotTheOldOnes) {
  const auto old = registered(put_of("prod", "checkout"));
  const auto principal = tokens_.authenticate(*old.token).value();
  ASSERT_TRUE(workloads_.remove({"prod", "checkout", admin("me")}));
  registered(put_of("prod", "checkout"));
  EXPECT_EQ(workloads_.find_registration(principal).error().code, "token_revoked");
}

TEST_F(WorkloadsTest, TheFirstRegistrationClosesBundlesForGood) {
  EXPECT_FALSE(workloads_.is_closed());
  EXPECT_TRUE(workloads_.recheck(Principal::open()));
  registered(put_of("prod", "a"));
  EXPECT_TRUE(workloads_.is_closed());
  EXPECT_EQ(watched_.closed, 1);
  registered(put_of("prod", "b"));
  EXPECT_EQ(watched_.closed, 1);
  EXPECT_EQ(workloads_.recheck(Principal::open()).error().code, "unauthenticated");
  EXPECT_EQ(workloads_.recheck(admin("me")).error().code, "unauthenticated");
  for (const char* name : {"a", "b"}) ASSERT_TRUE(workloads_.remove({"prod", name, admin("me")}));
  EXPECT_TRUE(workloads_.is_closed());
  TokenRegistry after_restart(clock_);
  ASSERT_TRUE(after_restart.load(*store_));
  EXPECT_TRUE(after_restart.is_closed_to_workloads());
}

TEST_F(WorkloadsTest, OnlyAnOperatorOverTheNamespaceMay) {
  struct Case {
    Principal actor;
    bool may;
  };
  Principal viewer = operator_of("/");
  viewer.role = Role::kViewer;
  Principal workload{Principal::Kind::kWorkload, "prod:x", Role::kViewer, "prod", {}, "x"};
  for (const auto& [actor, may] :
       {Case{operator_of("prod"), true}, Case{operator_of("/"), true}, Case{operator_of("prod/payments"), false},
        Case{operator_of("dev"), false}, Case{viewer, false}, Case{workload, false}, Case{Principal{}, false}}) {
    WorkloadPut put = put_of("prod", "checkout");
    put.actor = actor;
    const auto result = workloads_.put(put);
    ASSERT_EQ(result.has_value(), may) << actor.scope;
    if (!may) {
      EXPECT_EQ(result.error().code, "out_of_scope");
    }
    const auto removed = workloads_.remove({"prod", "checkout", actor});
    EXPECT_EQ(removed.has_value(), may);
    if (!may) {
      EXPECT_EQ(removed.error().code, "out_of_scope");
    }
  }
}

TEST_F(WorkloadsTest, TheNamespaceMustExistAndNothingIsLeftOtherwise) {
  const auto refused = workloads_.put(put_of("nowhere", "x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "namespace_unknown");
  EXPECT_FALSE(workloads_.is_closed());
  EXPECT_TRUE(store_->read([](Reader& reader) { return reader.tokens(); })->empty());
  EXPECT_TRUE(watched_.changes.empty());
}

TEST_F(WorkloadsTest, ListsASubtreeInPages) {
  for (const char* path : {"prod", "prod/payments", "dev"}) {
    for (const char* name : {"a", "b"}) registered(put_of(path, name));
  }
  EXPECT_THAT(names("prod"), ElementsAre("prod:a", "prod:b", "prod/payments:a", "prod/payments:b"));
  EXPECT_EQ(names("/").size(), 6u);
  EXPECT_EQ(names("/", 1), names("/"));
}

TEST_F(WorkloadsTest, EveryChangeIsAuditedWithoutTheSecret) {
  const auto first = registered(put_of("prod", "checkout"));
  WorkloadPut put = put_of("prod", "checkout");
  put.rotate_token = true;
  const auto second = registered(put);
  ASSERT_TRUE(workloads_.remove({"prod", "checkout", admin("me")}));
  std::vector<std::string> events;
  for (const AuditRow& row : audit_rows()) {
    for (const auto& token : {*first.token, *second.token}) {
      EXPECT_EQ(row.detail.find(token), std::string::npos);
      EXPECT_EQ(row.detail.find(format_sha256(sha256(token))), std::string::npos);
    }
    if (row.workload == "checkout") events.push_back(row.event);
  }
  EXPECT_THAT(events, ElementsAre("workload_removed", "token_revoked", "workload_registered", "token_created",
                                  "token_revoked", "workload_registered", "token_created"));
}

class WorkloadReportsTest : public ::testing::Test {
 protected:
  AgentStatus status(const std::string& agent, std::uint64_t active) const {
    AgentStatus report;
    report.agent_id = agent;
    report.namespace_path = "prod";
    report.workload = "web";
    report.active = active;
    report.reported_at_ms = clock_.now_ms();
    return report;
  }
  FakeClock clock_{1'700'000'000'000};
  WorkloadReports reports_{clock_};
};

TEST_F(WorkloadReportsTest, NothingIsKnownOfOneThatWasNeverSeen) {
  const WorkloadState state = reports_.find("prod", "web");
  EXPECT_FALSE(state.newest);
  EXPECT_FALSE(state.connected);
  EXPECT_FALSE(state.processes);
  EXPECT_EQ(state.last_seen_ms, 0);
}

TEST_F(WorkloadReportsTest, TheNewestReportSpeaksAndTheProcessesOfAllAgentsCount) {
  const auto present = reports_.enter("prod", "web");
  reports_.put(status("one", 3), 4);
  clock_.advance_ms(10);
  reports_.put(status("two", 5), 2);
  clock_.advance_ms(10);
  reports_.put(status("three", 4), std::nullopt);
  const WorkloadState state = reports_.find("prod", "web");
  EXPECT_EQ(state.newest->active, 4u);
  EXPECT_EQ(state.agents, 3u);
  EXPECT_EQ(state.processes, 6u);
  EXPECT_FALSE(reports_.find("prod", "other").newest);
}

TEST_F(WorkloadReportsTest, ConnectedIsWhoAsksNow) {
  {
    auto first = reports_.enter("prod", "web");
    const auto second = reports_.enter("prod", "web");
    first = WorkloadReports::Presence();
    EXPECT_TRUE(reports_.find("prod", "web").connected);
    reports_.put(status("one", 1), 7);
    clock_.advance_ms(60'000);
    EXPECT_EQ(reports_.find("prod", "web").last_seen_ms, clock_.now_ms());
  }
  const UnixMillis left_ms = clock_.now_ms();
  clock_.advance_ms(1000);
  const WorkloadState state = reports_.find("prod", "web");
  EXPECT_FALSE(state.connected);
  EXPECT_EQ(state.last_seen_ms, left_ms);
  EXPECT_FALSE(state.processes) << "nobody knows by now";
}

}  // namespace
}  // namespace egress::server
