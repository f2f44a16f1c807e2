#include "shared/session/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <random>
#include <thread>
#include <vector>

#include "shared/session/ring_reader.h"

namespace egress {
namespace {

// A ring as a workload has it.
class Mapped {
 public:
  explicit Mapped(int fd)
      : base_(static_cast<std::byte*>(::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))) {}
  ~Mapped() { ::munmap(base_, kRingBytes); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::byte* base() const { return base_; }
  RingSlot& slot(std::size_t i) const { return reinterpret_cast<RingSlot*>(base_ + kRingSlotsOffset)[i]; }

 private:
  std::byte* base_;
};

RingEvent event_of(std::uint16_t port) {
  RingEvent event;
  event.port = port;
  event.time_ns = port;
  return event;
}

TEST(RingTest, HandsOverEventsInOrder) {
  UniqueFd fd = create_ring().value();
  const Mapped ring(fd.get());
  RingReader reader(std::move(fd));
  std::vector<std::uint16_t> ports;
  const auto collect = [&](const RingEvent& event) { ports.push_back(event.port); };
  for (std::uint16_t i = 1; i <= 3; ++i) record_event(ring.base(), event_of(i));
  reader.drain(0, collect);
  record_event(ring.base(), event_of(4));
  reader.drain(0, collect);
  EXPECT_EQ(ports, (std::vector<std::uint16_t>{1, 2, 3, 4}));
  EXPECT_EQ(reader.recorded(), 4u);
  EXPECT_EQ(reader.dropped(), 0u);
}

TEST(RingTest, OverflowIsCountedExactlyAndTheRingGoesOn) {
  UniqueFd fd = create_ring().value();
  const Mapped ring(fd.get());
  RingReader reader(std::move(fd));
  std::size_t seen = 0;
  const auto collect = [&](const RingEvent&) { ++seen; };
  for (int i = 0; i < 10'000; ++i) record_event(ring.base(), event_of(1));
  reader.drain(0, collect);
  EXPECT_EQ(seen, kRingSlots);
  EXPECT_EQ(reader.dropped(), 10'000 - kRingSlots);
  // At once, without waiting for the dropped tickets:
  record_event(ring.base(), event_of(2));
  reader.drain(0, collect);
  EXPECT_EQ(seen, kRingSlots + 1);
  EXPECT_EQ(reader.recorded() + reader.dropped(), 10'001u);
}

TEST(RingTest, AnUncommittedSlotIsSkippedAfterASecondAndCounted) {
  UniqueFd fd = create_ring().value();
  const Mapped ring(fd.get());
  RingReader reader(std::move(fd));
  std::vector<std::uint16_t> ports;
  const auto collect = [&](const RingEvent& event) { ports.push_back(event.port); };
  record_event(ring.base(), event_of(1));
  reinterpret_cast<RingHeader*>(ring.base())->tickets.fetch_add(1);  // a writer killed after taking its ticket
  record_event(ring.base(), event_of(3));
  reader.drain(1000, collect);
  EXPECT_EQ(ports, (std::vector<std::uint16_t>{1}));
  reader.drain(1999, collect);
  EXPECT_EQ(ports, (std::vector<std::uint16_t>{1}));
  reader.drain(2000, collect);
  EXPECT_EQ(ports, (std::vector<std::uint16_t>{1, 3}));
  EXPECT_EQ(reader.dropped(), 1u);
}

TEST(RingTest, SealsOnlyWhenNobodyCanWrite) {
  UniqueFd fd = create_ring().value();
  RingReader reader(UniqueFd(::dup(fd.get())));
  std::size_t seen = 0;
  const auto collect = [&](const RingEvent&) { ++seen; };
  {
    const Mapped ring(fd.get());
    record_event(ring.base(), event_of(1));
    reinterpret_cast<RingHeader*>(ring.base())->tickets.fetch_add(1);
    EXPECT_FALSE(reader.seal());
  }
  EXPECT_TRUE(reader.seal());
  reader.drain_final(collect);
  EXPECT_EQ(seen, 1u);
  EXPECT_EQ(reader.dropped(), 1u);
}

TEST(RingTest, ResizingIsSealed) {
  UniqueFd fd = create_ring().value();
  EXPECT_NE(::ftruncate(fd.get(), 0), 0);
  EXPECT_NE(::ftruncate(fd.get(), kRingBytes * 2), 0);
}

TEST(RingTest, ManyWritersLoseNothingThatIsNotCounted) {
  UniqueFd fd = create_ring().value();
  const Mapped ring(fd.get());
  RingReader reader(std::move(fd));
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 50'000;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) record_event(ring.base(), event_of(static_cast<std::uint16_t>(i)));
      --running;
    });
  }
  std::uint64_t seen = 0;
  const auto collect = [&](const RingEvent& event) {
    ++seen;
    EXPECT_EQ(event.time_ns, event.port);
  };
  while (running > 0) reader.drain(0, collect);
  for (auto& writer : writers) writer.join();
  reader.drain_final(collect);
  EXPECT_EQ(reader.recorded(), seen);
  EXPECT_EQ(reader.recorded() + reader.dropped(), kThreads * kEach);
  EXPECT_GT(seen, 0u);
}

TEST(RingTest, AHostileRingIsBelievedNothing) {
  UniqueFd fd = create_ring().value();
  const Mapped ring(fd.get());
  RingReader reader(std::move(fd));
  std::mt19937_64 random(3);
  std::size_t seen = 0;
  const auto collect = [&](const RingEvent&) { ++seen; };
  auto& header = *reinterpret_cast<RingHeader*>(ring.base());
  for (int round = 0; round < 2'000; ++round) {
    for (int i = 0; i < 16; ++i) {
      std::uint64_t noise = random();
      std::memcpy(ring.base() + (random() % (kRingBytes / 8)) * 8, &noise, sizeof noise);
    }
    header.tickets.store(random() >> (random() % 64));
    reader.drain(round * 700, collect);
  }
  EXPECT_EQ(seen, 0u) << "noise does not pass the checksum";
  header.tickets.store(0);  // tickets that fall are not believed
  const std::uint64_t dropped = reader.dropped();
  reader.drain(10'000'000, collect);
  EXPECT_EQ(reader.dropped(), dropped);
}

}  // namespace
}  // namespace egress
