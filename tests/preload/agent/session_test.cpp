// A session without sockets: what processes see of policy, names and bindings, and what becomes of their events.
#include "preload/agent/session.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include "shared/session/judge.h"
#include "tests/preload/agent/bundle_fixture.h"

namespace egress {
namespace {

constexpr UnixMillis kNow = 1'800'000'000'000;
constexpr UnixMillis kForever = std::numeric_limits<UnixMillis>::max();

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override { start(""); }
  void TearDown() override { unmap(); }

  void start(const std::string& overrides) {
    unmap();
    SessionIdentity identity;
    identity.key.namespace_path = "demo";
    identity.key.workload = "shop";
    identity.overrides = ResolveOverrides::parse(overrides).value();
    auto created = Session::create(7, std::move(identity), clock, [this] { ++queued; });
    ASSERT_TRUE(created.has_value()) << created.error().message;
    session = std::move(*created);
    void* mapped = ::mmap(nullptr, kArenaBytes, PROT_READ, MAP_SHARED, session->arena().fd(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    arena = static_cast<const std::byte*>(mapped);
  }

  void unmap() {
    if (arena != nullptr) ::munmap(const_cast<std::byte*>(arena), kArenaBytes);
    arena = nullptr;
  }

  void adopt(std::vector<Rule> rules, std::uint64_t revision = 1) {
    const auto made = make_bundle(key, revision, "demo", rules);
    const std::string& text = made.layers.begin()->second;
    const auto view = std::as_bytes(std::span(text));
    auto layer = CompiledLayer::load({view.begin(), view.end()});
    ASSERT_TRUE(layer.has_value());
    auto policy = make_policy(made.manifest, "{}", {std::make_shared<const CompiledLayer>(*layer)}, Workload{}, {});
    ASSERT_TRUE(policy.has_value());
    ASSERT_TRUE(session->adopt(*policy, kForever).has_value());
  }

  LookupAnswer lookup(const std::string& name) {
    return session->lookup(name, AF_UNSPEC, {hosts, resolver}, {.pid = 42, .exe = "/bin/app", .since_ms = kNow});
  }

  Decision connect(Address address, std::uint16_t port = 443) const {
    return judge(arena, {.address = address, .port = port, .transport = Transport::kTcp, .now_ms = clock.now_ms()})
        .decision;
  }

  // As the library would write it.
  RingEvent event_of(Address address, std::uint16_t port = 443) const {
    const auto judgement =
        judge(arena, {.address = address, .port = port, .transport = Transport::kTcp, .now_ms = clock.now_ms()});
    RingEvent event;
    event.time_ns = clock.now_ms() * 1'000'000;
    event.generation = judgement.generation;
    event.address_high = address.high;
    event.address_low = address.low;
    event.name_id = judgement.decision.name_id;
    event.rule = judgement.decision.rule;
    event.layer = judgement.decision.layer;
    event.port = port;
    event.verdict = static_cast<std::uint8_t>(judgement.decision.verdict);
    event.reason = static_cast<std::uint8_t>(judgement.decision.reason);
    return event;
  }

  std::vector<DecisionRecord> records() { return session->events().queue().front(1000); }

  SigningKey key = SigningKey::generate();
  FakeClock clock{kNow};
  HostsFile hosts;
  ResolverConfig resolver;
  int queued = 0;
  std::unique_ptr<Session> session;
  const std::byte* arena = nullptr;
  const EventSource source{.pid = 42, .exe = "/bin/app", .since_ms = kNow - 1000};
  const Address upstream = make_ipv4(0x7f000001);
};

TEST_F(SessionTest, DeniesEverythingUntilAPolicyComes) {
  EXPECT_EQ(connect(upstream).reason, DenyReason::kNoPolicy);
  const auto answer = lookup("api.example");
  EXPECT_TRUE(answer.queries.empty());
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].deny_reason, DenyReason::kNoPolicy);
}

TEST_F(SessionTest, ABoundNameOpensItsAddressOnly) {
  adopt({allow_host("api.example")});
  EXPECT_EQ(connect(upstream).verdict, Verdict::kDeny);
  EXPECT_EQ(lookup("api.example").queries, std::vector<std::string>{"api.example"});
  ASSERT_TRUE(session->bind("API.example.", std::span(&upstream, 1)));
  EXPECT_EQ(connect(upstream).verdict, Verdict::kAllow);
  EXPECT_EQ(connect(make_ipv4(0x7f000002)).verdict, Verdict::kDeny);
}

TEST_F(SessionTest, OverridesAreBoundBeforeTheReply) {
  start("api.example=127.0.0.1;evil.example=127.0.0.2");
  adopt({allow_host("api.example")});
  EXPECT_EQ(lookup("api.example").addresses, std::vector<Address>{upstream});
  EXPECT_EQ(connect(upstream).verdict, Verdict::kAllow);
  const auto refused = lookup("evil.example").addresses;
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(is_synthetic(refused[0]));
  EXPECT_EQ(connect(make_ipv4(0x7f000002)).verdict, Verdict::kDeny);
}

TEST_F(SessionTest, ASyntheticAddressCarriesTheRefusedNameToTheConnectsRecord) {
  adopt({allow_host("api.example")});
  const auto answer = lookup("evil.example").addresses;
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(lookup("evil.example").addresses, answer) << "one address a name";
  session->add_event(event_of(answer[0], 8080), source);
  const auto all = records();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].kind, RecordKind::kLookup);
  EXPECT_EQ(all[0].deny_reason, DenyReason::kDnsName);
  EXPECT_EQ(all[0].name, "evil.example");
  EXPECT_EQ(all[0].layer, "namespace:demo");
  EXPECT_EQ(all[1].kind, RecordKind::kDial);
  EXPECT_EQ(all[1].name, "evil.example");
  EXPECT_EQ(all[1].port, 8080);
  EXPECT_EQ(all[1].verdict, Verdict::kDeny);
}

TEST_F(SessionTest, RecordsNameLayerRuleRevisionAndProgram) {
  adopt({allow_host("api.example")}, 12);
  ASSERT_TRUE(session->bind("api.example", std::span(&upstream, 1)));
  session->add_event(event_of(upstream), source);
  ASSERT_EQ(records().size(), 1u);
  const auto record = records()[0];
  EXPECT_EQ(record.verdict, Verdict::kAllow);
  EXPECT_EQ(record.layer, "namespace:demo");
  EXPECT_EQ(record.rule, "allow api.example");
  EXPECT_EQ(record.revision, 12u);
  EXPECT_EQ(record.name, "api.example");
  EXPECT_EQ(record.address, "127.0.0.1");
  EXPECT_EQ(record.namespace_path, "demo");
  EXPECT_EQ(record.workload, "shop");
  EXPECT_EQ(record.pid, 42);
  EXPECT_EQ(record.exe, "/bin/app");
  EXPECT_EQ(record.first_seen_ms, kNow);
  EXPECT_GT(queued, 0);
}

TEST_F(SessionTest, ANewPolicyChangesTheFateOfABinding) {
  adopt({allow_host("api.example")});
  ASSERT_TRUE(session->bind("api.example", std::span(&upstream, 1)));
  EXPECT_EQ(connect(upstream).verdict, Verdict::kAllow);
  adopt({block_host("api.example")}, 2);
  EXPECT_EQ(connect(upstream).verdict, Verdict::kDeny);
  EXPECT_TRUE(lookup("api.example").queries.empty());
  adopt({allow_host("api.example")}, 3);
  EXPECT_EQ(connect(upstream).verdict, Verdict::kAllow);
}

TEST_F(SessionTest, LateEventsCiteThePolicyTheyWereJudgedBy) {
  adopt({block_host("api.example")}, 1);
  ASSERT_TRUE(session->bind("api.example", std::span(&upstream, 1)));
  const RingEvent late = event_of(upstream);
  adopt({allow_host("api.example")}, 2);
  session->add_event(late, source);
  EXPECT_EQ(records().back().rule, "block api.example");
  EXPECT_EQ(records().back().revision, 1u);
}

TEST_F(SessionTest, EventsOfForgottenOrInventedPoliciesAreUnknown) {
  adopt({allow_host("api.example")});
  RingEvent invented = event_of(upstream);
  invented.generation = 999;
  session->add_event(invented, source);
  EXPECT_EQ(records().back().layer, kUnknownSource);
  RingEvent far = event_of(upstream);
  far.layer = 700;
  far.rule = 12345678;
  session->add_event(far, source);
  EXPECT_EQ(records().back().layer, kUnknownSource);
  EXPECT_EQ(records().back().rule, kUnknownSource);
}

TEST_F(SessionTest, HostileEventsAreCountedAsDropped) {
  adopt({allow_host("api.example")});
  for (int field = 0; field < 3; ++field) {
    RingEvent bad = event_of(upstream);
    (field == 0 ? bad.transport : field == 1 ? bad.verdict : bad.reason) = 200;
    session->add_event(bad, source);
  }
  EXPECT_EQ(session->events().totals().dropped, 3u);
  EXPECT_EQ(session->events().totals().recorded, 0u);
  EXPECT_EQ(records().front().kind, RecordKind::kDropped);
}

TEST_F(SessionTest, TimesOutsideTheProcessesLifeAreClamped) {
  adopt({allow_host("api.example")});
  RingEvent past = event_of(upstream);
  past.time_ns = 5;
  session->add_event(past, source);
  EXPECT_EQ(records().back().first_seen_ms, source.since_ms);
  RingEvent future = event_of(upstream, 80);
  future.time_ns = std::numeric_limits<std::int64_t>::max();
  session->add_event(future, source);
  EXPECT_EQ(records().back().last_seen_ms, kNow);
}

TEST_F(SessionTest, RecordedAndDroppedAddUpToWhatHappened) {
  adopt({allow_host("api.example")});
  const std::uint64_t happened = 40'000;
  for (std::uint64_t i = 0; i < happened; ++i) {
    session->add_event(event_of(make_ipv4(0x0a000000 + static_cast<std::uint32_t>(i % 9000))), source);
  }
  session->events().add_dropped(11, kNow);
  session->events().flush(kNow);
  const auto totals = session->events().totals();
  EXPECT_EQ(totals.recorded + totals.dropped, happened + 11);
  std::uint64_t told = 0;
  auto& queue = session->events().queue();
  while (!queue.is_empty()) {
    for (const auto& record : queue.front()) told += record.count;
    queue.confirm(queue.front().size());
    session->events().tick(kNow);  // room again: what was dropped is told
  }
  EXPECT_EQ(told, happened + 11);
}

TEST_F(SessionTest, BindRefusesWhatIsNoHostName) {
  adopt({allow_host("api.example")});
  EXPECT_FALSE(session->bind("not a name", std::span(&upstream, 1)));
  EXPECT_FALSE(session->bind("", std::span(&upstream, 1)));
  EXPECT_TRUE(session->bind("denied.example", std::span(&upstream, 1)));
  EXPECT_EQ(connect(upstream).verdict, Verdict::kDeny);
}

TEST_F(SessionTest, AnAllowedConnectRenewsItsBinding) {
  adopt({allow_host("api.example")});
  ASSERT_TRUE(session->bind("api.example", std::span(&upstream, 1)));
  clock.advance_ms(50 * 60 * 1000);
  session->add_event(event_of(upstream), source);
  clock.advance_ms(50 * 60 * 1000);
  EXPECT_EQ(connect(upstream).verdict, Verdict::kAllow);
  clock.advance_ms(2 * 3600 * 1000);
  EXPECT_EQ(connect(upstream).verdict, Verdict::kDeny);
}

}  // namespace
}  // namespace egress
