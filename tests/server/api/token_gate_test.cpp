#include "server/api/token_gate.h"

#include <gmock/gmock.h>

#include "server/service/tokens.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

using Audience = Access::Audience;

Route route(Audience audience, Role role = Role::kViewer, bool users_too = false) {
  Route made;
  made.pattern = "/x";
  made.access = {audience, role, users_too};
  return made;
}

class TokenGateTest : public ServiceTest {
 protected:
  std::string make(const std::string& name, Role role, const std::string& path = "/",
                   std::optional<UnixMillis> expires_at_ms = {}) {
    const auto issued = tokens_.create({name, role, path, expires_at_ms, admin("me")});
    EXPECT_TRUE(issued);
    return issued->text;
  }
  IssuedToken make_workload() {
    TokenGrant grant;
    grant.kind = TokenKind::kWorkload;
    grant.name = "checkout";
    grant.namespace_path = "prod";
    grant.actor = "me";
    auto issued = store_->write(
        [&](Writer& writer) -> Result<IssuedToken> { return issue_token(writer, grant, clock_.now_ms()); });
    registry_.put(issued->record);
    return *issued;
  }

  Gate::Admission admit(const Route& to, const std::string& token) {
    Credentials credentials;
    const std::string field = token.empty() ? "" : "Bearer " + token;
    credentials.authorization = field;
    credentials.peer = parse_address("192.0.2.1").value();
    credentials.path = "/x";
    return gate_.admit(to, credentials);
  }
  // The code it is refused with, or the kind and name it is admitted as.
  std::string said(const Route& to, const std::string& token) {
    const auto admission = admit(to, token);
    if (!admission.principal) return admission.principal.error().code;
    switch (admission.principal->kind) {
      case Principal::Kind::kNobody:
        return "nobody";
      case Principal::Kind::kServer:
        return "server";
      case Principal::Kind::kOpen:
        return "open";
      case Principal::Kind::kUser:
        return "user " + admission.principal->name;
      case Principal::Kind::kWorkload:
        break;
    }
    return "workload " + admission.principal->workload;
  }

  const Route anyone_ = route(Audience::kAnyone);
  const Route viewer_ = route(Audience::kRole, Role::kViewer);
  const Route operator_ = route(Audience::kRole, Role::kOperator);
  const Route admin_ = route(Audience::kRole, Role::kAdmin);
  const Route workload_ = route(Audience::kWorkload);
  const Route telemetry_ = route(Audience::kWorkload, Role::kOperator, true);
  TokenRegistry registry_{clock_};
  Tokens tokens_{*store_, clock_, registry_};
  UiSessions sessions_{clock_};
  AuthFailures failures_{*store_, clock_};
  TokenGate gate_{registry_, sessions_, failures_};
};

TEST_F(TokenGateTest, AnOpenServerLetsEveryoneDoEverything) {
  for (const Route& one : {anyone_, viewer_, operator_, admin_, workload_, telemetry_}) {
    EXPECT_EQ(said(one, ""), "open");
    EXPECT_EQ(said(one, "nonsense"), "open") << "a token that is not needed need not be right";
  }
}

TEST_F(TokenGateTest, AClosedServerWantsARoleThatIsHighEnough) {
  const std::string viewer = make("v", Role::kViewer);
  const std::string an_operator = make("o", Role::kOperator);
  const std::string an_admin = make("a", Role::kAdmin);
  for (const Route& one : {viewer_, operator_, admin_}) {
    EXPECT_EQ(said(one, ""), "unauthenticated");
    EXPECT_EQ(said(one, "egress_" + std::string(64, '0')), "unauthenticated");
  }
  EXPECT_EQ(said(viewer_, viewer), "user v");
  EXPECT_EQ(said(operator_, viewer), "role_required");
  EXPECT_EQ(said(admin_, viewer), "role_required");
  EXPECT_EQ(said(viewer_, an_operator), "user o");
  EXPECT_EQ(said(operator_, an_operator), "user o");
  EXPECT_EQ(said(admin_, an_operator), "role_required");
  EXPECT_EQ(said(admin_, an_admin), "user a");
  EXPECT_EQ(said(anyone_, ""), "nobody");
  EXPECT_EQ(said(anyone_, "wrong"), "nobody");
  EXPECT_EQ(said(anyone_, viewer), "user v");
  const auto refused = admit(operator_, viewer).principal;
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("needs role operator; v is viewer"));
}

TEST_F(TokenGateTest, WorkloadsClaimFreelyUntilTheFirstOfThemHasAToken) {
  const std::string user = make("a", Role::kAdmin);
  EXPECT_EQ(said(workload_, ""), "nobody");
  EXPECT_EQ(said(workload_, "wrong"), "nobody");
  EXPECT_EQ(said(workload_, user), "user a");
  const std::string token = make_workload().text;
  EXPECT_EQ(said(workload_, ""), "unauthenticated");
  EXPECT_EQ(said(workload_, "wrong"), "unauthenticated");
  EXPECT_EQ(said(workload_, token), "workload checkout");
  EXPECT_EQ(said(telemetry_, token), "workload checkout");
}

TEST_F(TokenGateTest, AWorkloadsTokenIsForWorkloadsOnly) {
  make("a", Role::kAdmin);
  const std::string token = make_workload().text;
  for (const Route& one : {viewer_, operator_, admin_}) EXPECT_EQ(said(one, token), "role_required");
  EXPECT_EQ(said(anyone_, token), "workload checkout");
}

TEST_F(TokenGateTest, PeopleMayPostTelemetryButFetchNoBundles) {
  make_workload();
  const std::string viewer = make("v", Role::kViewer);
  const std::string an_operator = make("o", Role::kOperator);
  EXPECT_EQ(said(telemetry_, viewer), "role_required");
  EXPECT_EQ(said(telemetry_, an_operator), "user o");
  EXPECT_EQ(said(workload_, an_operator), "workload_token_required");
}

TEST_F(TokenGateTest, RevokedAndExpiredTokensSayWhich) {
  make("root", Role::kAdmin);
  const std::string expiring = make("e", Role::kViewer, "/", clock_.now_ms() + 1'000);
  const IssuedToken workload = make_workload();
  const auto admitted = admit(workload_, workload.text).principal;
  ASSERT_TRUE(admitted);
  EXPECT_TRUE(gate_.recheck(workload_, *admitted));
  ASSERT_TRUE(tokens_.revoke(workload.record.id, admin("me")));
  clock_.advance_ms(1'000);
  EXPECT_EQ(said(viewer_, expiring), "token_expired");
  EXPECT_EQ(said(workload_, workload.text), "token_revoked");
  EXPECT_EQ(gate_.recheck(workload_, *admitted).error().code, "token_revoked");
}

TEST_F(TokenGateTest, WhoWasLetInWithoutATokenIsAskedAgainOnceOneIsNeeded) {
  const auto open = admit(viewer_, "").principal;
  const auto nobody = admit(workload_, "").principal;
  EXPECT_TRUE(gate_.recheck(viewer_, *open));
  make("root", Role::kAdmin);
  EXPECT_EQ(gate_.recheck(viewer_, *open).error().code, "unauthenticated");
  EXPECT_TRUE(gate_.recheck(workload_, *nobody));
  make_workload();
  EXPECT_EQ(gate_.recheck(workload_, *nobody).error().code, "unauthenticated");
}

TEST_F(TokenGateTest, OtherSchemesAreRefusedAndBearerIsReadLeniently) {
  const std::string token = make("root", Role::kAdmin);
  const auto with = [&](const std::string& field) {
    Credentials credentials;
    credentials.authorization = field;
    const auto admission = gate_.admit(viewer_, credentials);
    return admission.principal ? std::string("in") : admission.principal.error().code;
  };
  EXPECT_EQ(with("bearer  " + token + " "), "in");
  EXPECT_EQ(with("BEARER " + token), "in");
  for (const std::string& field : {"Basic " + token, token, std::string("Bearer"), std::string("Bearer "),
                                   "Bearer " + token + "0", "Bearer x " + token}) {
    EXPECT_EQ(with(field), "unauthenticated") << field.substr(0, 10);
  }
}

TEST_F(TokenGateTest, TooManyWrongTokensAreRateLimitedAndAValidOneIsNot) {
  const std::string token = make("root", Role::kAdmin);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(said(viewer_, "wrong"), "unauthenticated") << i;
  EXPECT_EQ(said(viewer_, "wrong"), "rate_limited");
  EXPECT_EQ(said(viewer_, token), "user root");
  EXPECT_EQ(said(viewer_, ""), "unauthenticated") << "nothing was tried";
}

TEST_F(TokenGateTest, WhoHoldsARevokedTokenIsAlwaysToldThat) {
  make("root", Role::kAdmin);
  const IssuedToken workload = make_workload();
  ASSERT_TRUE(tokens_.revoke(workload.record.id, admin("me")));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(said(workload_, workload.text), "token_revoked") << i;
  EXPECT_EQ(said(viewer_, "wrong"), "unauthenticated") << "they cost no attempts";
}

TEST_F(TokenGateTest, FailuresAreAuditedWithoutWhatWasOffered) {
  make("root", Role::kAdmin);
  const std::size_t before = audit_rows().size();
  EXPECT_TRUE(admit(viewer_, "egress_secret").failure_to_record);
  gate_.record_failures();
  ASSERT_EQ(audit_rows().size(), before + 1);
  EXPECT_EQ(audit_rows().front().event, "authentication_failed");
  EXPECT_THAT(audit_rows().front().detail, ::testing::Not(::testing::HasSubstr("secret")));
}

class SessionGateTest : public TokenGateTest {
 protected:
  std::string said_by_cookie(const std::string& session, bool changes_state, bool same_origin) {
    Credentials credentials;
    credentials.session = session;
    credentials.changes_state = changes_state;
    credentials.same_origin = same_origin;
    const auto admission = gate_.admit(viewer_, credentials);
    return admission.principal ? "in" : admission.principal.error().code;
  }
};

TEST_F(SessionGateTest, ACookieIsAsGoodAsItsTokenWhileTheTokenIs) {
  make("root", Role::kAdmin);
  const auto issued = tokens_.create({"v", Role::kViewer, "/", {}, admin("me")});
  const std::string session = sessions_.begin(*registry_.authenticate(issued->text));
  EXPECT_EQ(said_by_cookie(session, false, false), "in");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(said_by_cookie("wrong", false, false), "session_over") << "a page of before the restart is no attack";
  }
  ASSERT_TRUE(tokens_.revoke(issued->record.id, admin("me")));
  EXPECT_EQ(said_by_cookie(session, false, false), "token_revoked");
  EXPECT_EQ(said_by_cookie(session, false, false), "session_over");
}

TEST_F(SessionGateTest, ACookieChangesNothingWithoutSameOriginEvidence) {
  const std::string session = sessions_.begin(*registry_.authenticate(make("root", Role::kAdmin)));
  EXPECT_EQ(said_by_cookie(session, true, false), "cross_site");
  EXPECT_EQ(said_by_cookie(session, true, true), "in");
}

}  // namespace
}  // namespace egress::server
