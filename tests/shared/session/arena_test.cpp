#include "shared/session/arena.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "shared/session/arena_writer.h"
#include "shared/session/judge.h"
#include "tests/shared/evaluate/stack_builder.h"

namespace egress {
namespace {

using namespace egress::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr UnixMillis kNowMs = 1'000'000'000;
constexpr std::int64_t kHourMs = 3'600'000;

class Mapping {
 public:
  explicit Mapping(int fd)
      : base_(static_cast<std::byte*>(::mmap(nullptr, kArenaBytes, PROT_READ, MAP_SHARED, fd, 0))) {}
  ~Mapping() { ::munmap(base_, kArenaBytes); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  const std::byte* base() const { return base_; }

 private:
  std::byte* base_;
};

LinkedStack only(std::vector<Rule> rules) { return link({{"g", Vote::kDeny, false, std::nullopt, std::move(rules)}}); }

class ArenaTest : public ::testing::Test {
 protected:
  Judgement judge_to(const char* to, UnixMillis now_ms = kNowMs, std::uint16_t port = 443) {
    return judge(mapping_.base(), {canonical(address(to)), port, Transport::kTcp, now_ms});
  }
  Verdict verdict_to(const char* to, UnixMillis now_ms = kNowMs) { return judge_to(to, now_ms).decision.verdict; }
  void bind(const char* name, const char* to, const LinkedStack& stack, UnixMillis now_ms = kNowMs,
            std::int64_t ttl_ms = -1) {
    const Address addresses[] = {address(to)};
    writer_->bind(name, addresses, ttl_ms, stack.names, now_ms);
  }
  void publish(const LinkedStack& stack, UnixMillis now_ms = kNowMs) {
    ASSERT_TRUE(writer_->publish(stack, now_ms + 24 * kHourMs, now_ms));
  }

  std::unique_ptr<ArenaWriter> writer_ = ArenaWriter::create(7).value();
  Mapping mapping_{writer_->fd()};
};

TEST_F(ArenaTest, NothingPublishedDenies) {
  const Judgement judgement = judge_to("203.0.113.5");
  EXPECT_EQ(judgement.generation, 0u);
  EXPECT_EQ(judgement.decision.verdict, Verdict::kDeny);
  EXPECT_EQ(judgement.decision.reason, DenyReason::kNoPolicy);
}

TEST_F(ArenaTest, ABoundNameIsJudged) {
  const LinkedStack stack = only({allow_hosts({"a.com"})});
  publish(stack);
  EXPECT_EQ(verdict_to("203.0.113.5"), Verdict::kDeny);
  bind("a.com", "203.0.113.5", stack);
  const Judgement judgement = judge_to("203.0.113.5");
  EXPECT_EQ(judgement.decision.verdict, Verdict::kAllow);
  EXPECT_EQ(writer_->name_of(judgement.decision.name_id), "a.com");
  EXPECT_EQ(verdict_to("203.0.113.6"), Verdict::kDeny);
}

TEST_F(ArenaTest, BindingsFollowThePolicyThroughManyGenerations) {
  const LinkedStack allows = only({allow_hosts({"a.com"})});
  const LinkedStack denies = only({allow_hosts({"b.com"})});
  publish(allows);
  bind("a.com", "203.0.113.5", allows);
  for (int round = 0; round < 10; ++round) {
    publish(denies);
    EXPECT_EQ(verdict_to("203.0.113.5"), Verdict::kDeny) << round;
    publish(allows);
    EXPECT_EQ(verdict_to("203.0.113.5"), Verdict::kAllow) << round;
  }
  EXPECT_EQ(writer_->generation(), 21u);
}

TEST_F(ArenaTest, TheMostRecentNameComesFirst) {
  const LinkedStack stack = only({allow_hosts({"a.com"}), allow_hosts({"b.com"})});
  publish(stack);
  bind("a.com", "203.0.113.5", stack, kNowMs);
  bind("b.com", "203.0.113.5", stack, kNowMs + 1);
  EXPECT_EQ(writer_->name_of(judge_to("203.0.113.5", kNowMs + 2).decision.name_id), "b.com");
  EXPECT_THAT(writer_->names_of(address("203.0.113.5"), kNowMs + 2), ElementsAre("b.com", "a.com"));
  bind("a.com", "203.0.113.5", stack, kNowMs + 3);
  EXPECT_EQ(writer_->name_of(judge_to("203.0.113.5", kNowMs + 4).decision.name_id), "a.com");
  EXPECT_EQ(writer_->binding_count(), 2u);
}

TEST_F(ArenaTest, LifetimesAreClamped) {
  const LinkedStack stack = only({allow_hosts({"**.com"})});
  publish(stack);
  bind("short.com", "203.0.113.1", stack, kNowMs, 1'000);
  bind("long.com", "203.0.113.2", stack, kNowMs, 1000 * kHourMs);
  bind("unknown.com", "203.0.113.3", stack, kNowMs, -1);
  EXPECT_EQ(verdict_to("203.0.113.1", kNowMs + 299'999), Verdict::kAllow);
  EXPECT_EQ(verdict_to("203.0.113.1", kNowMs + 300'000), Verdict::kDeny);
  EXPECT_EQ(verdict_to("203.0.113.2", kNowMs + 24 * kHourMs - 1), Verdict::kAllow);
  EXPECT_EQ(verdict_to("203.0.113.2", kNowMs + 24 * kHourMs), Verdict::kDeny);
  EXPECT_EQ(verdict_to("203.0.113.3", kNowMs + kHourMs - 1), Verdict::kAllow);
  EXPECT_EQ(verdict_to("203.0.113.3", kNowMs + kHourMs), Verdict::kDeny);
}

TEST_F(ArenaTest, RenewalEndsADayAfterTheResolution) {
  const LinkedStack stack = only({allow_hosts({"a.com"})});
  publish(stack);
  bind("a.com", "203.0.113.5", stack, kNowMs);
  const std::uint32_t id = judge_to("203.0.113.5").decision.name_id;
  UnixMillis now_ms = kNowMs;
  for (int i = 0; i < 47; ++i) {
    now_ms += kHourMs / 2;
    EXPECT_EQ(verdict_to("203.0.113.5", now_ms), Verdict::kAllow) << i;
    writer_->renew(address("203.0.113.5"), id, now_ms);
  }
  EXPECT_EQ(verdict_to("203.0.113.5", kNowMs + 24 * kHourMs - 1), Verdict::kAllow);
  EXPECT_EQ(verdict_to("203.0.113.5", kNowMs + 24 * kHourMs), Verdict::kDeny);
}

TEST_F(ArenaTest, ASeventeenthNameEvictsTheOldestAndIsCounted) {
  const LinkedStack stack = only({allow_hosts({"n0.com"}), allow_hosts({"n1.com"})});
  publish(stack);
  for (int i = 0; i < 16; ++i) bind(("n" + std::to_string(i) + ".com").c_str(), "203.0.113.5", stack, kNowMs + i);
  EXPECT_EQ(writer_->evictions(), 0u);
  EXPECT_EQ(writer_->name_of(judge_to("203.0.113.5", kNowMs + 99).decision.name_id), "n1.com");
  bind("n16.com", "203.0.113.5", stack, kNowMs + 16);
  EXPECT_EQ(writer_->evictions(), 1u);
  EXPECT_EQ(writer_->names_of(address("203.0.113.5"), kNowMs + 99).size(), 16u);
  bind("n17.com", "203.0.113.5", stack, kNowMs + 17);
  EXPECT_EQ(verdict_to("203.0.113.5", kNowMs + 99), Verdict::kDeny) << "n0 and n1 are gone";
}

TEST_F(ArenaTest, TheSessionHoldsItsBoundAndKeepsTheRecentlyUsed) {
  const LinkedStack stack = only({allow_hosts({"a.com"})});
  publish(stack);
  bind("a.com", "203.0.113.5", stack, kNowMs);
  const std::uint32_t id = judge_to("203.0.113.5").decision.name_id;
  std::vector<Address> many;
  for (std::uint32_t i = 0; i < kMaxBindingsPerSession + 100; ++i) many.push_back(make_ipv4(0x0b00'0000 + i));
  for (std::size_t i = 0; i < many.size(); ++i) {
    writer_->bind("a.com", std::span(&many[i], 1), -1, stack.names, kNowMs);
    if (i % 1000 == 0) writer_->renew(address("203.0.113.5"), id, kNowMs);
  }
  EXPECT_EQ(writer_->binding_count(), kMaxBindingsPerSession);
  EXPECT_EQ(writer_->evictions(), 101u);
  EXPECT_EQ(verdict_to("203.0.113.5"), Verdict::kAllow);
  EXPECT_EQ(verdict_to("11.0.0.0"), Verdict::kDeny) << "the least recently used went first";
  EXPECT_EQ(judge(mapping_.base(), {many.back(), 443, Transport::kTcp, kNowMs}).decision.verdict, Verdict::kAllow);
}

TEST_F(ArenaTest, ExpiredBindingsGoAtTheNextPublish) {
  const LinkedStack stack = only({allow_hosts({"a.com"})});
  publish(stack);
  bind("a.com", "203.0.113.5", stack, kNowMs);
  publish(stack, kNowMs + 2 * kHourMs);
  EXPECT_EQ(writer_->binding_count(), 0u);
  EXPECT_THAT(writer_->names_of(address("203.0.113.5"), kNowMs), IsEmpty());
}

TEST_F(ArenaTest, ATableTooLargeChangesNothing) {
  const LinkedStack stack = only({allow_cidr("203.0.113.0/24")});
  publish(stack);
  LinkedStack huge = only({});
  huge.connect_table.resize(kMaxTableBytes + 1);
  EXPECT_EQ(writer_->publish(huge, 0, kNowMs).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(writer_->generation(), 1u);
  EXPECT_EQ(verdict_to("203.0.113.5"), Verdict::kAllow);
}

TEST_F(ArenaTest, NobodyElseCanWrite) {
  EXPECT_EQ(::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED, writer_->fd(), 0), MAP_FAILED);
  const std::string path = "/proc/self/fd/" + std::to_string(writer_->fd());
  const UniqueFd reopened(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (reopened) {
    EXPECT_EQ(::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0), MAP_FAILED);
    EXPECT_LT(::pwrite(reopened.get(), "x", 1, 0), 0);
  }
  EXPECT_NE(::ftruncate(writer_->fd(), 0), 0);
  EXPECT_NE(::mprotect(const_cast<std::byte*>(mapping_.base()), 4096, PROT_READ | PROT_WRITE), 0);
}

// Threads judge while the policy flips as fast as it can: whatever they read, it is one of the two policies' verdicts
// with that policy's rule, never a mixture and never a denial for want of a label.
TEST_F(ArenaTest, ReadersSeeWholePoliciesWhileTheySwitch) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a reader throws away what it read of a region under reuse; the sanitizer cannot know that";
#endif
  const LinkedStack first = only({allow_hosts({"a.com"})});
  const LinkedStack second = only({block_hosts({"zzz.com"}), allow_cidr("198.51.100.0/24"), allow_hosts({"a.com"})});
  publish(first);
  bind("a.com", "203.0.113.5", first);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> judged{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        const Judgement j = judge_to("203.0.113.5");
        const bool odd = j.generation % 2 == 1;
        const std::uint32_t expected_rule = odd ? 0 : 2;
        if (j.decision.verdict != Verdict::kAllow || j.decision.rule != expected_rule) ++wrong;
        ++judged;
      }
    });
  }
  while (judged < 10'000) std::this_thread::yield();
  for (int round = 0; round < 500; ++round) {
    const std::uint64_t before = judged;
    publish(round % 2 == 0 ? second : first);
    while (judged == before) std::this_thread::yield();  // publishing alone, without pause, would starve the readers
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u) << "of " << judged;
}

TEST(ArenaOwnerTest, TheKernelAnnouncesTheDeathOfTheOwner) {
  int channel[2];
  ASSERT_EQ(::pipe(channel), 0);
  // The child owns an arena that the parent maps through /proc; then it is killed.
  const pid_t child = ::fork();
  if (child == 0) {
    const auto writer = ArenaWriter::create(1).value();
    const int fd = writer->fd();
    if (::write(channel[1], &fd, sizeof fd) != sizeof fd) ::_exit(1);
    for (;;) ::pause();
  }
  int fd = -1;
  ASSERT_EQ(::read(channel[0], &fd, sizeof fd), static_cast<ssize_t>(sizeof fd));
  const std::string path = "/proc/" + std::to_string(child) + "/fd/" + std::to_string(fd);
  const UniqueFd arena(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(arena);
  const Mapping mapping(arena.get());
  EXPECT_FALSE(is_owner_dead(mapping.base()));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(is_owner_dead(mapping.base()));
  ::close(channel[0]);
  ::close(channel[1]);
}

TEST(ArenaOwnerTest, AnOrderlyEndIsAnnouncedToo) {
  auto writer = ArenaWriter::create(1).value();
  const Mapping mapping(writer->fd());
  writer->set_valid_until(kNowMs);
  EXPECT_FALSE(is_owner_dead(mapping.base()));
  writer.reset();
  EXPECT_TRUE(is_owner_dead(mapping.base()));
  EXPECT_TRUE(is_still_valid(mapping.base(), kNowMs - 1));
  EXPECT_FALSE(is_still_valid(mapping.base(), kNowMs));
}

}  // namespace
}  // namespace egress
