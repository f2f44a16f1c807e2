#include "preload/library/enforcement.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "preload/library/hello.h"
#include "preload/library/session.h"
#include "shared/base/unique_fd.h"
#include "shared/session/arena_writer.h"
#include "shared/session/ring_reader.h"
#include "tests/preload/library/policies.h"

namespace egress {
namespace {

constexpr UnixMillis kFarFuture = 4'000'000'000'000;
constexpr UnixMillis kPast = 1;

// A state that holds a session made by hand: no agent, no socket, no injection.
class EnforcementTest : public testing::Test {
 protected:
  void SetUp() override {
    arena_ = std::move(ArenaWriter::create(7)).value();
    ring_ = std::make_unique<RingReader>(std::move(create_ring()).value());
    StackLine<256> why;
    std::byte* session = map_session(arena_->fd(), ring_->fd(), why);
    ASSERT_NE(session, nullptr) << why.text();
    state_.session.store(session);
    state_.next_hello_ms.store(INT64_MAX);  // nobody to say hello to
  }
  void TearDown() override {
    if (std::byte* session = state_.session.load()) unmap_session(session);
  }

  void publish(const LinkedStack& stack, UnixMillis valid_until_ms = kFarFuture) {
    ASSERT_TRUE(arena_->publish(stack, valid_until_ms, SystemClock().now_ms()).has_value());
  }

  CallVerdict connect_to(int fd, const char* address, std::uint16_t port) {
    const sockaddr_storage name = make_name(address, port);
    return judge_connect(state_, fd, reinterpret_cast<const sockaddr*>(&name), length_of(name), copy_);
  }
  CallVerdict send_to(int fd, const char* address, std::uint16_t port, int flags = 0) {
    const sockaddr_storage name = make_name(address, port);
    return judge_send(state_, fd, flags, reinterpret_cast<const sockaddr*>(&name), length_of(name), copy_);
  }

  static sockaddr_storage make_name(const char* address, std::uint16_t port) {
    sockaddr_storage name{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(name);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(name);
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
    } else {
      inet_pton(AF_INET, address, &v4.sin_addr);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
    }
    return name;
  }
  static socklen_t length_of(const sockaddr_storage& name) {
    return name.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  }

  std::vector<RingEvent> events() {
    std::vector<RingEvent> events;
    ring_->drain(SystemClock().now_ms(), [&](const RingEvent& event) { events.push_back(event); });
    return events;
  }

  State state_;
  std::unique_ptr<ArenaWriter> arena_;
  std::unique_ptr<RingReader> ring_;
  SockaddrCopy copy_;
  UniqueFd tcp_{::socket(AF_INET, SOCK_STREAM, 0)};
  UniqueFd udp_{::socket(AF_INET, SOCK_DGRAM, 0)};
};

TEST_F(EnforcementTest, RecordsWhatItDecided) {
  publish(allow_only({{.cidr = "192.0.2.0/24", .port = 443, .transport = Transport::kTcp}}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 80), CallVerdict::kRefuse);
  const auto recorded = events();
  ASSERT_EQ(recorded.size(), 2u);
  const RingEvent& allowed = recorded[0];
  EXPECT_EQ((Address{allowed.address_high, allowed.address_low}), parse_address("192.0.2.9").value());
  EXPECT_EQ(allowed.port, 443);
  EXPECT_EQ(allowed.verdict, static_cast<std::uint8_t>(Verdict::kAllow));
  EXPECT_EQ(allowed.transport, static_cast<std::uint8_t>(Transport::kTcp));
  EXPECT_EQ(allowed.pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(allowed.generation, 1u);
  EXPECT_EQ(allowed.layer, 0);
  EXPECT_EQ(allowed.rule, 0u);
  EXPECT_GT(allowed.time_ns, 0);
  const RingEvent& denied = recorded[1];
  EXPECT_EQ(denied.port, 80);
  EXPECT_EQ(denied.verdict, static_cast<std::uint8_t>(Verdict::kDeny));
  EXPECT_EQ(denied.reason, static_cast<std::uint8_t>(DenyReason::kPolicy));
  EXPECT_EQ(denied.rule, kNoRule);
}

TEST_F(EnforcementTest, JudgesTheTransportOfTheSocket) {
  publish(allow_only({{.cidr = "192.0.2.0/24", .port = 443, .transport = Transport::kTcp}}));
  EXPECT_EQ(connect_to(udp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  EXPECT_EQ(send_to(udp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  constexpr int kMultipathTcp = 262;
  const UniqueFd multipath(::socket(AF_INET, SOCK_STREAM, kMultipathTcp));
  if (multipath) {
    EXPECT_EQ(connect_to(multipath.get(), "192.0.2.9", 443), CallVerdict::kProceed);
    EXPECT_EQ(connect_to(multipath.get(), "192.0.2.9", 80), CallVerdict::kRefuse);
  }
  publish(allow_only({{.cidr = "192.0.2.0/24", .port = 443, .transport = Transport::kUdp}}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  EXPECT_EQ(connect_to(udp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(send_to(udp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
}

TEST_F(EnforcementTest, JudgesFastOpenAsTheConnectItIs) {
  publish(allow_only({{.cidr = "192.0.2.0/24", .port = 443, .transport = Transport::kTcp}}));
  EXPECT_EQ(send_to(tcp_.get(), "192.0.2.9", 443, MSG_FASTOPEN), CallVerdict::kProceed);
  EXPECT_EQ(send_to(tcp_.get(), "192.0.2.9", 80, MSG_FASTOPEN), CallVerdict::kRefuse);
  // The flag means nothing to a datagram socket and must not lend it a TCP rule.
  EXPECT_EQ(send_to(udp_.get(), "192.0.2.9", 443, MSG_FASTOPEN), CallVerdict::kRefuse);
}

TEST_F(EnforcementTest, LeavesToTheKernelWhatIsNoDestination) {
  publish(allow_only({}));
  EXPECT_EQ(send_to(tcp_.get(), "192.0.2.9", 80), CallVerdict::kProceed) << "TCP ignores the name";
  const UniqueFd local(::socket(AF_UNIX, SOCK_DGRAM, 0));
  EXPECT_EQ(connect_to(local.get(), "192.0.2.9", 80), CallVerdict::kProceed);
  EXPECT_EQ(send_to(local.get(), "192.0.2.9", 80), CallVerdict::kProceed);
  EXPECT_EQ(connect_to(-1, "192.0.2.9", 80), CallVerdict::kProceed);
  EXPECT_EQ(send_to(-1, "192.0.2.9", 80), CallVerdict::kProceed);
  EXPECT_EQ(judge_send(state_, udp_.get(), 0, nullptr, 0, copy_), CallVerdict::kPass);
  EXPECT_TRUE(events().empty());
}

TEST_F(EnforcementTest, JudgesUnspecifiedFamilyOnIpv4DatagramSockets) {
  publish(allow_only({{.cidr = "192.0.2.1/32", .port = 9, .transport = std::nullopt}}));
  const auto send_unspecified = [this](int fd, const char* address) {
    sockaddr_storage name = make_name(address, 9);
    name.ss_family = AF_UNSPEC;
    return judge_send(state_, fd, 0, reinterpret_cast<const sockaddr*>(&name), sizeof(sockaddr_in), copy_);
  };
  EXPECT_EQ(send_unspecified(udp_.get(), "192.0.2.1"), CallVerdict::kProceed);
  EXPECT_EQ(send_unspecified(udp_.get(), "192.0.2.2"), CallVerdict::kRefuse);
  const UniqueFd udp6(::socket(AF_INET6, SOCK_DGRAM, 0));
  EXPECT_EQ(send_unspecified(udp6.get(), "192.0.2.2"), CallVerdict::kProceed) << "no destination there";
}

TEST_F(EnforcementTest, JudgesMappedIpv4AsIpv4) {
  publish(allow_only({{.cidr = "192.0.2.0/24", .port = 443, .transport = std::nullopt}}));
  const UniqueFd tcp6(::socket(AF_INET6, SOCK_STREAM, 0));
  EXPECT_EQ(connect_to(tcp6.get(), "::ffff:192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(connect_to(tcp6.get(), "::ffff:198.51.100.9", 443), CallVerdict::kRefuse);
}

TEST_F(EnforcementTest, SubstitutesOnlyTheNameOfAMessage) {
  publish(allow_only({{.cidr = "192.0.2.9/32", .port = 53, .transport = Transport::kUdp}}));
  sockaddr_storage name = make_name("192.0.2.9", 53);
  iovec part{const_cast<char*>("x"), 1};
  char control[16] = {};
  const msghdr message{&name, sizeof(sockaddr_in), &part, 1, control, sizeof control, 0};
  msghdr sent;
  ASSERT_EQ(judge_send_message(state_, udp_.get(), 0, &message, sent, copy_), CallVerdict::kProceed);
  EXPECT_EQ(sent.msg_name, copy_.bytes);
  EXPECT_EQ(sent.msg_namelen, sizeof(sockaddr_in));
  EXPECT_EQ(sent.msg_iov, &part);
  EXPECT_EQ(sent.msg_control, control);
  EXPECT_EQ(sent.msg_controllen, sizeof control);
  name = make_name("192.0.2.10", 53);
  EXPECT_EQ(judge_send_message(state_, udp_.get(), 0, &message, sent, copy_), CallVerdict::kRefuse);
  const msghdr nameless{nullptr, 0, &part, 1, nullptr, 0, 0};
  EXPECT_EQ(judge_send_message(state_, udp_.get(), 0, &nameless, sent, copy_), CallVerdict::kProceed);
  EXPECT_EQ(judge_send_message(state_, udp_.get(), 0, nullptr, sent, copy_), CallVerdict::kPass);
}

TEST_F(EnforcementTest, LetsShadowDenialsPassAndRecordsThem) {
  publish(allow_only({}, Mode::kShadow));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(send_to(udp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(send_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed) << "ignored by TCP: nothing to record";
  const auto recorded = events();
  ASSERT_EQ(recorded.size(), 2u);
  for (const RingEvent& event : recorded) EXPECT_EQ(event.verdict, static_cast<std::uint8_t>(Verdict::kWouldDeny));
}

TEST_F(EnforcementTest, SeesANewPolicyAtOnce) {
  publish(allow_only({}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  publish(allow_only({{.cidr = "192.0.2.9/32", .port = 443, .transport = std::nullopt}}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  publish(allow_only({}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
}

TEST_F(EnforcementTest, JudgesByTheNamesOfTheAddress) {
  const LinkedStack stack = allow_names({"api.example"});
  publish(stack);
  const Address address = parse_address("192.0.2.9").value();
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  arena_->bind("api.example", {&address, 1}, -1, stack.names, SystemClock().now_ms());
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_NE(events().back().name_id, 0u);
}

TEST_F(EnforcementTest, KeepsTheLastPolicyOfADeadAgentWhileItIsValid) {
  publish(allow_only({{.cidr = "192.0.2.9/32", .port = 443, .transport = std::nullopt}}));
  arena_.reset();
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 80), CallVerdict::kRefuse);
}

TEST_F(EnforcementTest, DeniesOnceADeadAgentsPolicyIsNoLongerValid) {
  state_.notice_shown.store(true);
  publish(allow_only({{.cidr = "192.0.2.9/32", .port = 443, .transport = std::nullopt}}), kPast);
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed) << "its agent lives";
  arena_.reset();
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  EXPECT_EQ(events().back().reason, static_cast<std::uint8_t>(DenyReason::kNoPolicy));
  state_.on_unavailable.store(OnUnavailable::kAllow);
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
}

TEST_F(EnforcementTest, PassesWithoutPolicyOnlyWhereNoneCouldBeHadAndThatWasChosen) {
  state_.notice_shown.store(true);
  publish(link_no_policy(NoPolicyCause::kUnavailable, {}));
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  state_.on_unavailable.store(OnUnavailable::kAllow);
  EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kProceed);
  EXPECT_EQ(events().back().verdict, static_cast<std::uint8_t>(Verdict::kWouldDeny));
  for (const NoPolicyCause cause : {NoPolicyCause::kNamespaceUnknown, NoPolicyCause::kStale}) {
    publish(link_no_policy(cause, {}));
    EXPECT_EQ(connect_to(tcp_.get(), "192.0.2.9", 443), CallVerdict::kRefuse);
  }
}

TEST_F(EnforcementTest, CountsEveryCallWhenTheRingIsFull) {
  publish(allow_only({}));
  constexpr unsigned kCalls = kRingSlots + 100;
  for (unsigned i = 0; i < kCalls; ++i) connect_to(tcp_.get(), "192.0.2.9", 443);
  EXPECT_EQ(events().size(), kRingSlots);
  EXPECT_EQ(events().size(), 0u);
  EXPECT_EQ(ring_->recorded() + ring_->dropped(), kCalls);
}

TEST_F(EnforcementTest, LeavesErrnoAlone) {
  publish(allow_only({{.cidr = "192.0.2.9/32", .port = 443, .transport = std::nullopt}}));
  errno = EXDEV;
  connect_to(tcp_.get(), "192.0.2.9", 443);
  connect_to(tcp_.get(), "192.0.2.9", 80);
  connect_to(-1, "192.0.2.9", 80);
  EXPECT_EQ(errno, EXDEV);
}

// Former bugs

// A thread that had seen no session went on without one, because another one was not to ask again so soon, although a
// third had published one meanwhile.
TEST_F(EnforcementTest, WhoMayNotAskYetTakesWhatAnotherThreadGot) {
  std::byte* published = state_.session.load();
  EXPECT_EQ(renew_session(state_, nullptr), published);
}

TEST(MapSessionTest, RefusesMemoryOfAnotherSizeOrFormat) {
  StackLine<256> why;
  const UniqueFd small(::memfd_create("small", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(small.get(), 4096), 0);
  const UniqueFd ring = std::move(create_ring()).value();
  EXPECT_EQ(map_session(small.get(), ring.get(), why), nullptr);
  EXPECT_NE(std::strstr(why.text(), "another size"), nullptr) << why.text();
  const UniqueFd empty(::memfd_create("empty", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(empty.get(), static_cast<off_t>(kArenaBytes)), 0);
  EXPECT_EQ(map_session(empty.get(), ring.get(), why), nullptr);
  EXPECT_NE(std::strstr(why.text(), "format"), nullptr) << why.text();
  EXPECT_EQ(map_session(-1, ring.get(), why), nullptr);
}

}  // namespace
}  // namespace egress
