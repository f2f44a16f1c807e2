// Durable writes a second (group commit) with 1, 8 and 64 writers at once, against bare SQLite committing the same row
// once a write, in turns within one run, so that their ratio holds on a noisy machine.
//   store_bench [DIRECTORY]   on the file system whose flushes count; default: the temporary one
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "server/store/sqlite/sqlite_store.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

constexpr std::chrono::milliseconds kSlice{400};
constexpr int kRounds = 4;
constexpr int kWriters[] = {1, 8, 64};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "store_bench: %s\n", why.c_str());
  std::exit(1);
}

struct Rate {
  std::uint64_t writes = 0;
  std::chrono::duration<double> time{0};
  double per_second() const { return static_cast<double>(writes) / time.count(); }
};

// Calls `write` from `writers` threads for one slice of time.
template <typename Write>
void measure(Rate& rate, int writers, const Write& write) {
  std::atomic<std::uint64_t> writes = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([&] {
      while (std::chrono::steady_clock::now() - begin < kSlice) {
        write();
        ++writes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  rate.time += std::chrono::steady_clock::now() - begin;
  rate.writes += writes;
}

// What every path stores: a revision, the smallest policy change there is.
void write_through(Store& store) {
  const auto done = store.write([](Writer& writer) -> Expected<std::uint64_t> {
    return writer.bump_revision(1, "bench", "a write of the bench");
  });
  if (!done) give_up(done.error().message);
}

void write_bare(Connection& connection) {
  if (auto begun = connection.execute("BEGIN IMMEDIATE"); !begun) give_up(begun.error().message);
  {
    Query query(connection, "INSERT INTO revisions SELECT ifnull(max(number), 0) + 1, 1, 'bench', ? FROM revisions");
    query.bind(std::string_view("a write of the bench")).run();
  }
  if (connection.failure()) give_up(connection.failure()->message);
  if (auto done = connection.execute("COMMIT"); !done) give_up(done.error().message);
}

int run(const std::string& directory) {
  auto store = SqliteStore::open(directory + "/store.db", 1);
  if (!store) give_up(store.error().message);
  if (auto made = SqliteStore::open(directory + "/bare.db", 1); !made) give_up(made.error().message);  // its schema
  auto bare = Connection::open(directory + "/bare.db", Connection::Access::kReadWrite);
  if (!bare) give_up(bare.error().message);

  Rate bare_rate;
  Rate rates[std::size(kWriters)];
  for (int round = 0; round < kRounds; ++round) {
    measure(bare_rate, 1, [&] { write_bare(**bare); });
    for (std::size_t i = 0; i < std::size(kWriters); ++i) {
      measure(rates[i], kWriters[i], [&] { write_through(**store); });
    }
  }
  std::printf("bare SQLite, a commit a write: %8.0f writes/s\n", bare_rate.per_second());
  for (std::size_t i = 0; i < std::size(kWriters); ++i) {
    std::printf("store, %2d writers at once:     %8.0f writes/s, %.1f times as many\n", kWriters[i],
                rates[i].per_second(), rates[i].per_second() / bare_rate.per_second());
  }
  return 0;
}

}  // namespace
}  // namespace egress::server

int main(int argc, char** argv) {
  if (argc > 1) return egress::server::run(argv[1]);
  const egress::server::TemporaryDirectory directory;
  return egress::server::run(directory.path());
}
