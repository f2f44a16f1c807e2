// The workloads resource and the bundles of their tokens, as handlers: everything but HTTP.
#include "server/api/workloads_resource.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/api/bundle_resource.h"
#include "server/service/namespaces.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

class WorkloadsResourceTest : public ServiceTest {
 protected:
  WorkloadsResourceTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
    NamespacePut put;
    put.path = "prod";
    put.actor = admin("me");
    if (!namespaces_.put(put)) throw std::runtime_error("no namespace");
  }

  Result<Response> put(const std::string& body) {
    Request request;
    request.principal = admin("me");
    request.body = body;
    return put_workload(workloads_, request);
  }
  Result<Response> list(const std::vector<NameValue>& query, const Principal& who = admin("me")) {
    Request request;
    request.principal = who;
    request.query = query;
    return list_workloads(workloads_, fleet_, request);
  }
  // Registers and authenticates.
  Principal registered(const std::string& name, const std::string& more = "") {
    const auto reply = put(R"({"name":")" + name + R"(","namespace":"prod")" + more + "}");
    EXPECT_TRUE(reply) << reply.error().message;
    return tokens_.authenticate(ordered_json::parse(reply->body)["token"].get<std::string>()).value();
  }
  Result<std::unique_ptr<Poll>> ask(const Principal& who, const std::vector<NameValue>& query = {},
                                    const std::string& held_tag = "") {
    Request request;
    request.principal = who;
    request.query = query;
    if (!held_tag.empty()) {
      request.if_none_match = {held_tag};
      request.prefer = {"wait=5"};
    }
    return start_bundle_poll({distribution_, fleet_, workloads_}, request);
  }
  Manifest manifest_of(const Response& response) {
    return parse_manifest(parse_signed_manifest(response.body).value().manifest_json).value();
  }
  static std::string tag_of(const Response& response) {
    for (const auto& [name, value] : response.headers) {
      if (name == "ETag") return value;
    }
    return "";
  }
  Result<Response> post_status(const Principal& who, const std::string& body) {
    Request request;
    request.principal = who;
    request.body = body;
    return report_bundle_status(fleet_, request);
  }

  StoredDocuments documents_;
  Distribution distribution_{*store_, clock_, SigningKey::generate(), documents_};
  Namespaces namespaces_{*store_, clock_, distribution_};
  AgentFleet fleet_{*store_, clock_};
  TokenRegistry tokens_{clock_};
  Workloads workloads_{*store_, clock_, tokens_, distribution_};
};

TEST_F(WorkloadsResourceTest, TheTokenIsShownOnceAndTheAnswerIsNotToBeStored) {
  const std::string body = R"({"name":"web","namespace":"prod","labels":{"app":"pay"},"target":"deployment/web"})";
  const auto created = put(body);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->status, 201u);
  EXPECT_THAT(created->headers, ::testing::Contains(NameValue{"Cache-Control", "no-store"}));
  const auto shown = ordered_json::parse(created->body);
  EXPECT_THAT(shown["token"].get<std::string>(), ::testing::StartsWith("egressw_"));
  EXPECT_EQ(shown["labels"], (ordered_json{{"app", "pay"}}));
  const auto again = put(body);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 200u);
  EXPECT_FALSE(ordered_json::parse(again->body).contains("token"));
  EXPECT_THAT(list({})->body, ::testing::Not(HasSubstr("egressw_")));
  const auto rotated = put(R"({"name":"web","namespace":"prod","rotate_token":true})");
  ASSERT_TRUE(rotated);
  EXPECT_EQ(rotated->status, 200u);
  EXPECT_TRUE(ordered_json::parse(rotated->body).contains("token"));
}

TEST_F(WorkloadsResourceTest, RefusesWhatIsNoWorkload) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":\"v\"";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"namespace":"prod"})", "name"},
      {R"({"name":"","namespace":"prod"})", "name"},
      {R"({"name":"a b","namespace":"prod"})", "name"},
      {R"({"name":")" + std::string(254, 'x') + R"(","namespace":"prod"})", "name"},
      {R"({"name":"a\nb","namespace":"prod"})", "name"},
      {R"({"name":"web"})", "namespace"},
      {R"({"name":"web","namespace":"/prod"})", "namespace"},
      {R"({"name":"web","namespace":"prod","labels":[]})", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{"":"x"}})", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{"a=b":"x"}})", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{"a":"x,y"}})", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{"a":1}})", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{"a":")" + std::string(256, 'x') + "\"}}", "labels"},
      {R"({"name":"web","namespace":"prod","labels":{)" + many + "}}", "labels"},
      {R"({"name":"web","namespace":"prod","target":"a b"})", "target"},
      {R"({"name":"web","namespace":"prod","rotate_token":"yes"})", "rotate_token"},
      {R"({"name":"web","namespace":"prod","role":"admin"})", "role"},
  };
  for (const auto& [body, field] : cases) {
    const auto refused = put(body);
    ASSERT_FALSE(refused) << body;
    EXPECT_EQ(refused.error().kind, ErrorCode::kInvalidArgument) << body;
    ASSERT_NE(refused.error().fields, nullptr) << body;
    EXPECT_EQ((*refused.error().fields)["field"], field) << body;
  }
  EXPECT_EQ(put(R"({"name":"web","namespace":"nowhere"})").error().code, "namespace_unknown");
  EXPECT_EQ(ordered_json::parse(list({})->body)["items"].size(), 0u);
}

TEST_F(WorkloadsResourceTest, AListIsPagedAndKeepsToTheAskersSubtree) {
  for (const char* name : {"a", "b", "c"}) registered(name);
  ASSERT_TRUE(put(R"({"name":"d","namespace":"default"})"));
  const auto first = ordered_json::parse(list({{"limit", "2"}, {"namespace", "prod"}})->body);
  ASSERT_EQ(first["items"].size(), 2u);
  const auto rest = ordered_json::parse(
      list({{"limit", "2"}, {"namespace", "prod"}, {"cursor", first["next_cursor"].get<std::string>()}})->body);
  ASSERT_EQ(rest["items"].size(), 1u);
  EXPECT_EQ(rest["items"][0]["name"], "c");
  EXPECT_TRUE(rest["next_cursor"].is_null());
  const Principal viewer{Principal::Kind::kUser, "v", Role::kViewer, "prod", {}, {}};
  EXPECT_EQ(ordered_json::parse(list({}, viewer)->body)["items"].size(), 3u);
  EXPECT_EQ(list({{"namespace", "default"}}, viewer).error().code, "out_of_scope");
  EXPECT_EQ(list({{"cursor", "zz"}}).error().kind, ErrorCode::kInvalidArgument);
  EXPECT_EQ(list({{"namespace", "prod"}, {"name", "nobody"}}).error().code, "workload_unknown");
  EXPECT_EQ(ordered_json::parse(list({{"namespace", "prod"}, {"name", "b"}})->body)["items"][0]["name"], "b");
}

TEST_F(WorkloadsResourceTest, AListSaysWhatIsKnownAtRunTime) {
  const Principal web = registered("web");
  auto item = ordered_json::parse(list({})->body)["items"][0];
  for (const char* unknown : {"last_seen_at", "revision", "offered", "error", "coverage"}) {
    EXPECT_TRUE(item[unknown].is_null()) << unknown;
  }
  EXPECT_EQ(item["connected"], false);
  const auto poll = ask(web);
  ASSERT_TRUE(poll);
  ASSERT_TRUE(post_status(web, R"({"agent_id":"one","offered":9,"active":8,"error":"no disk","processes":3})"));
  item = ordered_json::parse(list({})->body)["items"][0];
  EXPECT_EQ(item["connected"], true);
  EXPECT_EQ(item["offered"], 9);
  EXPECT_EQ(item["revision"], 8);
  EXPECT_EQ(item["error"], "no disk");
  EXPECT_EQ(item["coverage"], 3);
  EXPECT_EQ(item["last_seen_at"], "2023-11-14T22:13:20Z");
  AgentFleet after_restart(*store_, clock_);
  ASSERT_TRUE(after_restart.load());
  EXPECT_EQ(after_restart.reports().find("prod", "web").newest->active, 8u);
}

TEST_F(WorkloadsResourceTest, ATokensBundleIsItsWorkloads) {
  const Principal web = registered("web", R"(,"labels":{"app":"pay"},"target":"deployment/web")");
  const auto reply = (*ask(web))->attempt(true);
  ASSERT_TRUE(reply && *reply);
  const Manifest manifest = manifest_of(**reply);
  EXPECT_EQ(manifest.namespace_path, "prod");
  EXPECT_EQ(manifest.workload, "web");
  EXPECT_TRUE(manifest.authenticated);
  EXPECT_EQ(manifest.labels.at("app"), "pay");
  EXPECT_EQ(manifest.target, "deployment/web");
  const auto token = store_->read([&](Reader& reader) { return reader.find_token(web.token_id); }).value().value();
  EXPECT_EQ(manifest.token_binding, make_token_binding(token.sha256));
}

TEST_F(WorkloadsResourceTest, AQueryMayRepeatTheRegistrationNotChangeIt) {
  const Principal web = registered("web");
  EXPECT_TRUE(ask(web, {{"namespace", "prod"}, {"workload", "web"}}));
  for (const auto& query : std::initializer_list<std::vector<NameValue>>{
           {{"namespace", "default"}}, {{"workload", "other"}}, {{"namespace", "prod"}, {"workload", "other"}}}) {
    const auto refused = ask(web, query);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorCode::kForbidden);
    EXPECT_EQ(refused.error().code, "not_this_workload");
    EXPECT_THAT(refused.error().message, HasSubstr("workload web in namespace prod"));
  }
}

TEST_F(WorkloadsResourceTest, WithoutWorkloadsTheQueryDecidesAndNobodyIsAuthenticated) {
  const auto reply = (*ask(Principal::open(), {{"namespace", "prod"}, {"workload", "web"}}))->attempt(true);
  ASSERT_TRUE(reply && *reply);
  EXPECT_FALSE(manifest_of(**reply).authenticated);
  EXPECT_EQ(manifest_of(**reply).workload, "web");
}

TEST_F(WorkloadsResourceTest, AHeldPollEndsWhenTheFirstWorkloadIsRegistered) {
  const auto tag = tag_of(**(*ask(Principal::open()))->attempt(true));
  auto poll = ask(Principal::open(), {}, tag);
  int wakes = 0;
  (*poll)->subscribe([&] { ++wakes; });
  ASSERT_FALSE((*poll)->attempt(false));
  registered("web");
  EXPECT_EQ(wakes, 1);
  const auto ended = (*poll)->attempt(false);
  ASSERT_TRUE(ended);
  ASSERT_FALSE(*ended);
  EXPECT_EQ(ended->error().code, "unauthenticated");
  EXPECT_EQ(ended->error().kind, ErrorCode::kUnauthenticated);
}

TEST_F(WorkloadsResourceTest, AHeldPollIsAnsweredWhenTheRegistrationChangesAndOthersSleepOn) {
  const Principal web = registered("web");
  const Principal other = registered("other");
  const auto tag = tag_of(**(*ask(web))->attempt(true));
  const auto other_tag = tag_of(**(*ask(other))->attempt(true));
  auto poll = ask(web, {}, tag);
  auto sleeper = ask(other, {}, other_tag);
  int wakes = 0;
  int others = 0;
  (*poll)->subscribe([&] { ++wakes; });
  (*sleeper)->subscribe([&] { ++others; });
  ASSERT_FALSE((*poll)->attempt(false));
  ASSERT_FALSE((*sleeper)->attempt(false));
  ASSERT_TRUE(put(R"({"name":"web","namespace":"prod","labels":{"app":"new"}})"));
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(others, 0);
  const auto answered = (*poll)->attempt(false);
  ASSERT_TRUE(answered && *answered);
  EXPECT_EQ(manifest_of(**answered).labels.at("app"), "new");
  EXPECT_NE(tag_of(**answered), tag);
}

TEST_F(WorkloadsResourceTest, AHeldPollEndsWhenItsTokenIsRevoked) {
  const Principal web = registered("web");
  auto poll = ask(web, {}, tag_of(**(*ask(web))->attempt(true)));
  int wakes = 0;
  (*poll)->subscribe([&] { ++wakes; });
  ASSERT_FALSE((*poll)->attempt(false));
  Request request;
  request.principal = admin("me");
  request.query = {{"namespace", "prod"}, {"name", "web"}};
  const auto removed = remove_workload(workloads_, request);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(ordered_json::parse(removed->body)["removed"], "web");
  EXPECT_GE(wakes, 1);
  const auto ended = (*poll)->attempt(false);
  ASSERT_TRUE(ended);
  ASSERT_FALSE(*ended);
  EXPECT_EQ(ended->error().code, "token_revoked");
}

TEST_F(WorkloadsResourceTest, AStatusIsTheTokensOwn) {
  const Principal web = registered("web");
  EXPECT_TRUE(post_status(web, R"({"agent_id":"one","namespace":"prod","workload":"web"})"));
  for (const char* body : {R"({"agent_id":"one","namespace":"default"})", R"({"agent_id":"one","workload":"other"})"}) {
    const auto refused = post_status(web, body);
    ASSERT_FALSE(refused) << body;
    EXPECT_EQ(refused.error().code, "not_this_workload");
  }
  EXPECT_EQ(post_status(admin("me"), R"({"agent_id":"one"})").error().kind, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(post_status(web, R"({"agent_id":"two"})"));
  EXPECT_EQ(fleet_.reports().find("prod", "web").agents, 2u);
}

}  // namespace
}  // namespace egress::server
