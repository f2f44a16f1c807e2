#include "server/api/routes.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "server/api/openapi/document.h"
#include "server/api/openapi/resources.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using nlohmann::ordered_json;

class RoutesTest : public ServiceTest {
 protected:
  RoutesTest() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  const Route& route(Method method, const std::string& pattern) {
    for (const Route& candidate : routes_) {
      if (candidate.method == method && candidate.pattern == pattern) return candidate;
    }
    throw std::runtime_error("no route " + pattern);
  }

  Result<Response> call(Method method, const std::string& pattern, Request request) {
    request.method = method;
    request.principal = admin("me");
    return std::get<Handler>(route(method, pattern).handler)(request);
  }

  StoredDocuments documents_;
  Distribution distribution_{*store_, clock_, SigningKey::generate(), documents_};
  EgressPolicy egress_{*store_, clock_, distribution_};
  Namespaces namespaces_{*store_, clock_, distribution_};
  ServerMode mode_{*store_, clock_, distribution_};
  AuditLog audit_{*store_};
  Telemetry telemetry_{*store_, clock_};
  AgentFleet fleet_{*store_, clock_};
  Manifests manifests_{*store_, clock_, distribution_, documents_};
  ManifestListing manifest_listing_{*store_};
  Explanations explanations_{*store_, clock_, documents_, {}};
  Changesets changesets_{*store_, clock_, distribution_, documents_};
  Revisions revisions_{*store_, clock_, distribution_, documents_};
  TokenRegistry registry_{clock_};
  Workloads workloads_{*store_, clock_, registry_, distribution_};
  Tokens tokens_{*store_, clock_, registry_};
  UiSessions ui_sessions_{clock_};
  AuthFailures auth_failures_{*store_, clock_};
  ServerHealth health_{*store_};
  Metrics metrics_;
  std::vector<Route> routes_ =
      make_routes({clock_,  egress_,      namespaces_,       mode_,         audit_,      telemetry_, distribution_,
                   fleet_,  manifests_,   manifest_listing_, explanations_, changesets_, revisions_, registry_,
                   tokens_, ui_sessions_, auth_failures_,    workloads_,    health_,     metrics_});
};

TEST_F(RoutesTest, NoTwoRoutesAreTheSame) {
  std::set<std::pair<int, std::string>> seen;
  for (const Route& one : routes_)
    EXPECT_TRUE(seen.emplace(static_cast<int>(one.method), one.pattern).second) << one.pattern;
}

TEST_F(RoutesTest, OnlyRoutesWithABodyHaveALimit) {
  for (const Route& one : routes_) EXPECT_EQ(one.body == BodyRule::kNone, one.body_limit_bytes == 0) << one.pattern;
}

TEST_F(RoutesTest, AnEntryIsShownWithItsFieldsInTheDocumentedOrder) {
  Request request;
  request.body = R"({"domain":"api.stripe.com","reason":"payments","require_auth":true})";
  const auto created = call(Method::kPost, "/api/policy/egress/allow", request);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->status, 201U);
  EXPECT_EQ(created->body,
            "{\"domain\":\"api.stripe.com\",\"reason\":\"payments\",\"require_auth\":true,\"expires_at\":null,"
            "\"created_by\":\"me\",\"created_at\":\"2023-11-14T22:13:20Z\",\"hits\":0,\"last_used_at\":null}\n");
  EXPECT_EQ(call(Method::kPost, "/api/policy/egress/allow", request)->status, 200U);
}

TEST_F(RoutesTest, ABlockHasNoRequireAuth) {
  Request request;
  request.body = R"({"domain":"a.b","require_auth":true})";
  const auto refused = call(Method::kPost, "/api/policy/egress/block", request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "unknown_field");
}

TEST_F(RoutesTest, AuditRowsCarryTheirChain) {
  const auto audit = call(Method::kGet, "/api/audit", {});
  ASSERT_TRUE(audit);
  const auto body = ordered_json::parse(audit->body);
  ASSERT_EQ(body.at("items").size(), 2U);
  std::vector<std::string> keys;
  for (const auto& item : body.at("items").at(0).items()) keys.push_back(item.key());
  EXPECT_THAT(keys, ::testing::ElementsAre("seq", "time", "event", "actor", "namespace", "subject", "detail",
                                           "prev_hash", "hash"));
  EXPECT_EQ(body.at("items").at(0).at("prev_hash"), body.at("items").at(1).at("hash"));
}

std::string line_of(const Route& route) {
  const auto audience = [&]() -> std::string {
    switch (route.access.audience) {
      case Access::Audience::kAnyone:
        return "anyone";
      case Access::Audience::kRole:
        return std::string(name_of(route.access.role));
      case Access::Audience::kWorkload:
        break;
    }
    return route.access.users_too ? "workload or " + std::string(name_of(route.access.role)) : "workload";
  }();
  const std::string method = route.method == Method::kGet ? "GET" : route.method == Method::kPost ? "POST" : "DELETE";
  return method + " " + route.pattern + ": " + audience + "\n";
}

// integration/test_authorization.py reads the same list, so that no route is missing from its table. UPDATE_GOLDEN=1
// writes it anew.
TEST_F(RoutesTest, WhoMayUseEachRouteIsWrittenDown) {
  const std::string path = std::string(EGRESS_SOURCE_DIR) + "/tests/server/api/golden/routes.txt";
  std::set<std::string> lines;
  for (const Route& one : routes_) lines.insert(line_of(one));
  std::string text;
  for (const std::string& line : lines) text += line;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ostringstream written;
  written << std::ifstream(path).rdbuf();
  EXPECT_EQ(written.str(), text);
}

TEST_F(RoutesTest, OnlyTelemetryIsOpenToPeopleAmongTheCallsOfWorkloads) {
  for (const Route& one : routes_) {
    EXPECT_EQ(one.access.users_too, one.pattern.starts_with("/v1/")) << one.pattern;
    if (one.access.audience == Access::Audience::kAnyone) {
      EXPECT_THAT(one.pattern, ::testing::AnyOf("/healthz", "/readyz", "/api/openapi.json", "/api/session"))
          << one.pattern;
    }
    if (one.access.audience == Access::Audience::kRole && one.method != Method::kGet) {
      EXPECT_GE(one.access.role, Role::kOperator) << one.pattern << ": viewers only read";
    }
  }
}

// The description, held against the table.
class OpenApiTest : public RoutesTest {
 protected:
  const openapi::Description description_ = openapi::describe_resources();
  const ordered_json document_ = ordered_json::parse(openapi::render_openapi(routes_, description_));
};

TEST_F(OpenApiTest, EveryRouteIsDescribed) {
  for (const Route& one : routes_) {
    const openapi::Operation* operation = openapi::find_operation(description_, one);
    ASSERT_NE(operation, nullptr) << one.pattern << ": describe it in server/api/openapi/";
    EXPECT_NE(operation->summary, "") << one.pattern;
    EXPECT_FALSE(operation->answers.empty()) << one.pattern;
    EXPECT_EQ(operation->body.is_null(), one.body == BodyRule::kNone) << one.pattern;
  }
}

TEST_F(OpenApiTest, WhatIsDescribedIsRoutedAndNamedOnce) {
  std::set<std::string> ids;
  for (const openapi::Operation& operation : description_.operations) {
    EXPECT_NO_THROW(route(operation.method, operation.path));
    EXPECT_TRUE(ids.insert(operation.id).second) << operation.id;
  }
  std::set<std::string> schemas;
  for (const openapi::NamedSchema& one : description_.schemas) EXPECT_TRUE(schemas.insert(one.name).second) << one.name;
}

TEST_F(OpenApiTest, PathParametersAreTheBracesOfThePattern) {
  for (const openapi::Operation& operation : description_.operations) {
    std::string braces = operation.path;
    for (const openapi::Parameter& parameter : operation.path_parameters) {
      const auto at = braces.find("{" + parameter.name + "}");
      ASSERT_NE(at, std::string::npos) << operation.path;
      EXPECT_TRUE(parameter.required) << operation.path;
      braces.erase(at, parameter.name.size() + 2);
    }
    EXPECT_EQ(braces.find('{'), std::string::npos) << operation.path;
  }
}

TEST_F(OpenApiTest, EveryReferenceResolves) {
  const auto& schemas = document_.at("components").at("schemas");
  const ordered_json flat = document_.flatten();
  std::size_t references = 0;
  for (const auto& [pointer, value] : flat.items()) {
    if (!pointer.ends_with("/$ref")) continue;
    ++references;
    const std::string target = value.get<std::string>();
    const std::string prefix = "#/components/schemas/";
    ASSERT_TRUE(target.starts_with(prefix)) << target;
    EXPECT_TRUE(schemas.contains(target.substr(prefix.size()))) << pointer << ": " << target;
  }
  EXPECT_GT(references, routes_.size());
}

TEST_F(OpenApiTest, SecurityAndLimitsAreTheTables) {
  const auto& paths = document_.at("paths");
  EXPECT_EQ(paths.at("/healthz").at("get").at("security"), ordered_json::array());
  EXPECT_EQ(paths.at("/api/mode").at("post").at("x-egress-role"), "admin");
  EXPECT_EQ(paths.at("/api/mode").at("post").at("security").at(0), ordered_json::parse(R"({"bearer":[]})"));
  EXPECT_EQ(paths.at("/api/bundle").at("get").at("security").at(0), ordered_json::parse(R"({"workload":[]})"));
  for (const Route& one : routes_) {
    const char* method = one.method == Method::kGet ? "get" : one.method == Method::kPost ? "post" : "delete";
    EXPECT_EQ(paths.at(one.pattern).at(method).at("x-egress-body-limit-bytes"), one.body_limit_bytes) << one.pattern;
  }
}

std::set<std::string> codes_of(const ordered_json& operation) {
  std::set<std::string> codes;
  for (const auto& [status, response] : operation.at("responses").items()) {
    if (!response.contains("x-egress-error-codes")) continue;
    for (const auto& code : response.at("x-egress-error-codes")) codes.insert(code.get<std::string>());
  }
  return codes;
}

TEST_F(OpenApiTest, RolesAreThoseOfTheGoldenTable) {
  for (const Route& one : routes_) {
    const std::string line = line_of(one);
    const std::string method = line.starts_with("GET") ? "get" : line.starts_with("POST") ? "post" : "delete";
    const auto& operation = document_.at("paths").at(one.pattern).at(method);
    EXPECT_TRUE(line.ends_with(": " + operation.at("x-egress-role").get<std::string>() + "\n")) << line;
  }
}

TEST_F(OpenApiTest, WhoIsRefusedForTheirTokenDependsOnWhomTheCallServes) {
  const auto& paths = document_.at("paths");
  const auto bearer = ordered_json::parse(R"({"bearer":[]})");
  const auto cookie = ordered_json::parse(R"({"cookie":[]})");
  const auto workload = ordered_json::parse(R"({"workload":[]})");
  const auto people = paths.at("/api/mode").at("get");
  EXPECT_THAT(people.at("security"), ::testing::ElementsAre(bearer, cookie));
  EXPECT_THAT(codes_of(people),
              ::testing::IsSupersetOf({"unauthenticated", "session_over", "role_required", "rate_limited"}));
  EXPECT_FALSE(codes_of(people).contains("workload_token_required"));
  const auto workloads = paths.at("/api/bundle").at("get");
  EXPECT_THAT(workloads.at("security"), ::testing::ElementsAre(workload));
  EXPECT_TRUE(codes_of(workloads).contains("workload_token_required"));
  EXPECT_FALSE(codes_of(workloads).contains("role_required"));
  const auto both = paths.at("/v1/logs").at("post");
  EXPECT_THAT(both.at("security"), ::testing::ElementsAre(workload, bearer, cookie));
  EXPECT_EQ(both.at("x-egress-role"), "workload or operator");
  EXPECT_TRUE(codes_of(both).contains("role_required"));
  EXPECT_FALSE(codes_of(both).contains("workload_token_required"));
  const auto login = codes_of(paths.at("/api/session").at("post"));
  EXPECT_THAT(login, ::testing::IsSupersetOf({"unauthenticated", "token_revoked", "role_required", "rate_limited"}));
  EXPECT_FALSE(login.contains("out_of_scope"));
  EXPECT_FALSE(codes_of(paths.at("/healthz").at("get")).contains("unauthenticated"));
}

TEST_F(OpenApiTest, TheServerAnswersWithIt) {
  const auto answer = call(Method::kGet, "/api/openapi.json", {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(ordered_json::parse(answer->body), document_);
  Request with_query;
  with_query.query = {{"x", "y"}};
  EXPECT_FALSE(call(Method::kGet, "/api/openapi.json", with_query));
}

class SessionResourceTest : public RoutesTest {
 protected:
  static std::string cookie_of(const Response& response) {
    for (const auto& [name, value] : response.headers) {
      if (name == "Set-Cookie") return value;
    }
    return "";
  }
  Request login(const std::string& token, bool secure) {
    Request request;
    request.body = "{\"token\":\"" + token + "\"}";
    request.secure = secure;
    return request;
  }
  std::string token_ = tokens_.create({"root", Role::kAdmin, "/", {}, admin("me")})->text;
};

TEST_F(SessionResourceTest, TheCookieIsSecureUnderTls) {
  const auto plain = call(Method::kPost, "/api/session", login(token_, false));
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_THAT(cookie_of(*plain),
              ::testing::MatchesRegex("egress_session=[0-9a-f]{64}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"));
  const auto secure = call(Method::kPost, "/api/session", login(token_, true));
  EXPECT_THAT(cookie_of(*secure), ::testing::EndsWith("; Secure"));
}

TEST_F(SessionResourceTest, ANewLoginEndsTheSessionBefore) {
  Request request = login(token_, false);
  request.session_cookie = ui_sessions_.begin(Principal::open());
  ASSERT_TRUE(call(Method::kPost, "/api/session", request));
  EXPECT_FALSE(ui_sessions_.find(request.session_cookie));
}

TEST_F(SessionResourceTest, AWorkloadsTokenOpensNoSession) {
  TokenGrant grant;
  grant.kind = TokenKind::kWorkload;
  grant.name = "w";
  grant.namespace_path = "default";
  const auto issued =
      store_->write([&](Writer& writer) -> Result<IssuedToken> { return issue_token(writer, grant, clock_.now_ms()); });
  registry_.put(issued->record);
  EXPECT_EQ(call(Method::kPost, "/api/session", login(issued->text, false)).error().code, "role_required");
}

class BundlePollTest : public RoutesTest {
 protected:
  Result<std::unique_ptr<Poll>> start(Request request) {
    return std::get<PollStarter>(route(Method::kGet, "/api/bundle").handler)(request);
  }
  static std::string tag_of(const Response& response) {
    for (const auto& [name, value] : response.headers) {
      if (name == "ETag") return value;
    }
    return "";
  }
};

TEST_F(BundlePollTest, WithoutATagItAnswersAtOnce) {
  Request request;
  request.prefer = {"wait=60"};
  auto poll = start(request);
  ASSERT_TRUE(poll) << poll.error().message;
  EXPECT_EQ((*poll)->wait().count(), 0);
  const auto answer = (*poll)->attempt(true);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->status, 200U);
  EXPECT_THAT((*answer)->body, ::testing::HasSubstr(R"(\"namespace\":\"default\")"));
}

TEST_F(BundlePollTest, HoldsUntilTheContentChangesAndEndsWith304) {
  Request request;
  const std::string tag = tag_of((**(*start(request))->attempt(true)));
  request.if_none_match = {tag};
  request.prefer = {"wait=5"};
  auto poll = start(request);
  ASSERT_TRUE(poll);
  EXPECT_EQ((*poll)->wait(), std::chrono::seconds(5));
  int wakes = 0;
  (*poll)->subscribe([&] { ++wakes; });
  EXPECT_FALSE((*poll)->attempt(false));
  const auto unchanged = (*poll)->attempt(true);
  ASSERT_TRUE(unchanged && *unchanged);
  EXPECT_EQ((*unchanged)->status, 304U);
  EXPECT_EQ(tag_of(**unchanged), tag);
  EXPECT_EQ(wakes, 0);
  Request change;
  change.body = R"({"domain":"evil.example"})";
  ASSERT_TRUE(call(Method::kPost, "/api/policy/egress/block", change));
  EXPECT_EQ(wakes, 1);
  const auto changed = (*poll)->attempt(false);
  ASSERT_TRUE(changed && *changed);
  EXPECT_EQ((*changed)->status, 200U);
  EXPECT_NE(tag_of(**changed), tag);
  poll->reset();
  EXPECT_EQ(distribution_.waiting(), 0U);
}

TEST_F(BundlePollTest, AWaitOnADeletedNamespaceEndsWithTheRemedy) {
  Request request;
  request.if_none_match = {tag_of((**(*start(request))->attempt(true)))};
  request.prefer = {"wait=5"};
  auto poll = start(request);
  int wakes = 0;
  (*poll)->subscribe([&] { ++wakes; });
  ASSERT_FALSE((*poll)->attempt(false));
  ASSERT_TRUE(namespaces_.remove({"default", false, false, admin("me")}));
  EXPECT_EQ(wakes, 1);
  const auto gone = (*poll)->attempt(false);
  ASSERT_TRUE(gone);
  ASSERT_FALSE(*gone);
  EXPECT_EQ(gone->error().code, "namespace_unknown");
}

}  // namespace
}  // namespace egress::server
