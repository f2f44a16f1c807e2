// A namespace write with its cascade (quality.md, P11: <= 10 ms) at 10,000 namespaces of 100 domains, through the
// service on a real store, commit and audit included. As peer, in the same run: what a straightforward check does,
// which is to read every descendant and compare its list. Two trees: every namespace repeats its parent's names; and
// names that differ everywhere below wildcards.
//   cascade_bench [NAMESPACES]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "server/service/namespaces.h"
#include "server/store/sqlite/sqlite_store.h"
#include "shared/policy/narrowing.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

constexpr int kDomains = 100;
constexpr int kParents = 100;
constexpr int kRepeats = 15;
constexpr std::size_t kNamespacesAWrite = 500;

using Milliseconds = std::chrono::duration<double, std::milli>;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "cascade_bench: %s\n", why.c_str());
  std::exit(1);
}

class NobodyTold final : public PolicyObserver {
 public:
  void policy_changed(const PolicyChange&) override {}
};

DomainEntry entry(const std::string& text) { return {parse_host_pattern(text).value().pattern, "", {}}; }

// List `i` of a tree: what the root, a parent and a leaf allow.
struct Tree {
  const char* name;
  std::function<std::string(int domain)> root;
  std::function<std::string(int parent, int domain)> parent;
  std::function<std::string(int parent, int leaf, int domain)> leaf;
};

const Tree kTrees[] = {
    {"the same names everywhere", [](int d) { return "host" + std::to_string(d) + ".example"; },
     [](int, int d) { return "host" + std::to_string(d) + ".example"; },
     [](int, int, int d) { return "host" + std::to_string(d) + ".example"; }},
    {"different names below wildcards", [](int d) { return "**.group" + std::to_string(d) + ".example"; },
     [](int p, int d) { return "**.team" + std::to_string(p) + ".group" + std::to_string(d) + ".example"; },
     [](int p, int l, int d) {
       return "host" + std::to_string(l) + ".team" + std::to_string(p) + ".group" + std::to_string(d) + ".example";
     }},
};

template <typename Make>
std::vector<DomainEntry> list_of(Make make) {
  std::vector<DomainEntry> list;
  for (int d = 0; d < kDomains; ++d) list.push_back(entry(make(d)));
  return list;
}

std::string parent_path(int parent) { return "team" + std::to_string(parent); }

void fill(Store& store, const Tree& tree, int namespaces) {
  std::vector<NamespaceRecord> records;
  const auto add = [&](std::string path, std::vector<DomainEntry> list) {
    NamespaceRecord record;
    record.path = std::move(path);
    record.allowed = std::move(list);
    records.push_back(std::move(record));
  };
  const auto flush = [&] {
    const auto done = store.write([&](Writer& writer) -> Expected<bool> {
      for (const NamespaceRecord& record : records) writer.put_namespace(record);
      return true;
    });
    if (!done) give_up(done.error().message);
    records.clear();
  };
  add("/", list_of(tree.root));
  const int leaves = namespaces / kParents - 1;
  for (int p = 0; p < kParents; ++p) {
    add(parent_path(p), list_of([&](int d) { return tree.parent(p, d); }));
    for (int l = 0; l < leaves; ++l) {
      add(parent_path(p) + "/leaf" + std::to_string(l), list_of([&](int d) { return tree.leaf(p, l, d); }));
      if (records.size() >= kNamespacesAWrite) flush();
    }
  }
  flush();
}

Principal bench() { return {Principal::Kind::kUser, "bench", Role::kAdmin, "/", {}, {}}; }

class Bench {
 public:
  Bench(Store& store, const Tree& tree) : store_(store), tree_(tree) {}

  void run() {
    const std::string mid = parent_path(3);
    const auto parent_list = list_of([&](int d) { return tree_.parent(3, d); });
    auto more = parent_list;
    more.push_back(entry(tree_.leaf(3, 100'000, 7)));
    alternate("parent, one entry more", mid, more, parent_list, false, true);

    auto fewer = parent_list;
    fewer.erase(fewer.begin() + 50);
    refused("parent, one entry fewer: refused", mid, fewer);

    const auto root_list = list_of(tree_.root);
    auto root_more = root_list;
    root_more.push_back(entry("unused.example"));
    alternate("root, one entry more", "/", root_more, root_list, false, true);
    auto root_fewer = root_list;
    root_fewer.erase(root_fewer.begin() + 50);
    refused("root, one entry fewer: refused", "/", root_fewer);
    alternate("root, one entry fewer: forced, and back", "/", root_fewer, root_list, true, false);
    alternate("root, null to its list", "/", root_list, std::nullopt, false, true);
    if (!change("/", root_list, false).has_value()) give_up("the root's list cannot come back");

    deep();
    peer("peer: full scan below the parent", mid, more);
    peer("peer: full scan below the root", "/", root_more);
    page();
  }

 private:
  Result<NamespacePutResult> change(const std::string& path, const AllowList& list, bool force) {
    NamespacePut put;
    put.path = path;
    put.allowed = {true, list};
    put.force = force;
    put.actor = bench();
    return namespaces_.put(put);
  }

  // Between two lists, both accepted; every write counts, or only those to `there`.
  void alternate(const char* what, const std::string& path, const AllowList& there, const AllowList& back, bool force,
                 bool both) {
    std::vector<double> times;
    std::size_t warnings = 0;
    for (int i = 0; i < 2 * kRepeats; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto done = change(path, i % 2 == 0 ? there : back, force);
      const Milliseconds took = std::chrono::steady_clock::now() - begin;
      if (!done) give_up(std::string(what) + ": " + done.error().code);
      warnings = std::max(warnings, done->cascade_warnings.size());
      if (both || i % 2 == 0) times.push_back(took.count());
    }
    print(what, times, warnings);
  }

  void refused(const char* what, const std::string& path, const AllowList& list) {
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto done = change(path, list, false);
      const Milliseconds took = std::chrono::steady_clock::now() - begin;
      if (done || done.error().code != "cascade_violations") give_up(std::string(what) + ": not refused");
      times.push_back(took.count());
    }
    print(what, times, 0);
  }

  // A leaf under twelve ancestors that all have lists.
  void deep() {
    std::string path = "team3/leaf3";
    const auto list = list_of([&](int d) { return tree_.leaf(3, 3, d); });
    for (int depth = 3; depth <= 14; ++depth) {
      path += "/d" + std::to_string(depth);
      if (!change(path, list, false)) give_up("the deep path cannot be made");
    }
    auto fewer = list;
    fewer.erase(fewer.begin() + 50);
    alternate("leaf at depth 14, an entry less or more", path, fewer, list, false, true);
    alternate("leaf at depth 14, all entries or none", path, std::vector<DomainEntry>(), list, false, true);
  }

  void peer(const char* what, const std::string& path, const AllowList& list) {
    std::vector<double> times;
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto found = store_.read([&](Reader& reader) {
        std::size_t uncovered = 0;
        for (const NamespaceRecord& child : reader.descendants(path)) {
          uncovered += find_uncovered(list, child.allowed, clock_.now_ms()).size();
        }
        return uncovered;
      });
      const Milliseconds took = std::chrono::steady_clock::now() - begin;
      if (!found) give_up(found.error().message);
      if (*found != 0) give_up("the peer found violations in a tree without");
      times.push_back(took.count());
    }
    print(what, times, 0);
  }

  void page() {
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto listed = namespaces_.list(bench(), "team5/", 100);
      const Milliseconds took = std::chrono::steady_clock::now() - begin;
      if (!listed || listed->items.size() != 100) give_up("the page is not whole");
      times.push_back(took.count());
    }
    print("a page of 100 namespaces", times, 0);
  }

  static void print(const char* what, std::vector<double> times, std::size_t warnings) {
    std::sort(times.begin(), times.end());
    std::printf("  %-42s median %8.2f ms, worst %8.2f ms", what, times[times.size() / 2], times.back());
    if (warnings > 0) std::printf(", %zu descendants broken", warnings);
    std::printf("\n");
    std::fflush(stdout);
  }

  Store& store_;
  const Tree& tree_;
  SystemClock clock_;
  NobodyTold observer_;
  Namespaces namespaces_{store_, clock_, observer_};
};

// Resident memory in MiB, now or ("VmHWM") at its highest.
double memory_mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != key + ":") continue;
    double kib = 0;
    status >> kib;
    return kib / 1024;
  }
  return 0;
}

void flush_alone(const std::string& path) {
  auto store = SqliteStore::open(path, 1);
  if (!store) give_up(store.error().message);
  std::vector<double> times;
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto done =
        (*store)->write([](Writer& writer) -> Expected<std::uint64_t> { return writer.bump_revision(1, "b", "x"); });
    if (!done) give_up(done.error().message);
    times.push_back(Milliseconds(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("an empty write's commit here: median %.2f ms, worst %.2f ms\n", times[times.size() / 2], times.back());
}

int run(int namespaces) {
  for (const Tree& tree : kTrees) {
    const TemporaryDirectory directory;
    if (&tree == kTrees) flush_alone(directory.path() + "/flush.db");
    auto store = SqliteStore::open(directory.path() + "/egress.db", 1);
    if (!store) give_up(store.error().message);
    const auto begin = std::chrono::steady_clock::now();
    fill(**store, tree, namespaces);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%d namespaces of %d domains, %s (made in %.1f s, %ju MiB on disk; memory %.0f MiB)\n", namespaces,
                kDomains, tree.name, took.count(),
                static_cast<std::uintmax_t>(std::filesystem::file_size(directory.path() + "/egress.db") >> 20),
                memory_mib("VmRSS"));
    Bench(**store, tree).run();
    std::printf("  memory: %.0f MiB now, %.0f MiB at most, the full scans' lists included\n", memory_mib("VmRSS"),
                memory_mib("VmHWM"));
  }
  return 0;
}

}  // namespace
}  // namespace egress::server

int main(int argc, char** argv) {
  const int namespaces = argc > 1 ? std::atoi(argv[1]) : 10'000;
  if (namespaces < 1'000) {
    std::fprintf(stderr, "usage: cascade_bench [NAMESPACES, at least 1000]\n");
    return 2;
  }
  return egress::server::run(namespaces);
}
