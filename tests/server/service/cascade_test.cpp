#include "server/service/cascade.h"

#include <random>

#include "shared/policy/namespace_path.h"
#include "tests/server/service_fixture.h"

namespace egress::server {
namespace {

// What find_cascade() must answer, obviously: every entry of every descendant is compared.
std::vector<Uncovered> scan_cascade(Reader& reader, const std::string& path, const AllowList& allowed,
                                    UnixMillis now_ms) {
  std::vector<Uncovered> cascade;
  for (const NamespaceRecord& child : reader.descendants(path)) {
    auto uncovered = find_uncovered(allowed, child.allowed, now_ms);
    if (!uncovered.empty()) cascade.push_back({child.path, path, std::move(uncovered)});
  }
  return cascade;
}

std::string describe(const std::vector<Uncovered>& cascade) {
  std::string text;
  for (const Uncovered& item : cascade) {
    text += item.child + " under " + item.ancestor + ":";
    for (const std::string& domain : item.domains) text += " " + domain;
    text += "\n";
  }
  return text;
}

class CascadeTest : public ServiceTest {
 protected:
  void put(const std::string& path, const AllowList& allowed) {
    NamespaceRecord record;
    record.path = path;
    record.allowed = allowed;
    write([&](Writer& writer) { writer.put_namespace(record); });
  }
  template <typename Body>
  void write(Body body) {
    const auto done = store_->write([&](Writer& writer) -> Expected<bool> {
      body(writer);
      return true;
    });
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string cascade(const std::string& path, const AllowList& allowed) {
    return describe(
        store_->read([&](Reader& reader) { return find_cascade(reader, path, allowed, clock_.now_ms()); }).value());
  }
  DomainEntry expiring(const std::string& text, UnixMillis in_ms) {
    DomainEntry made = entry(text);
    made.expires_at_ms = clock_.now_ms() + in_ms;
    return made;
  }
};

TEST_F(CascadeTest, NamesTheEntriesOfEachDescendantInTheirOrder) {
  put("prod", entries({"**.example"}));
  put("prod/b", entries({"z.example", "a.example", "*.other.example", "10.0.0.1"}));
  put("prod/a/x", entries({"a.example"}));
  put("production", entries({"a.example"}));
  put("prod/c", std::nullopt);
  EXPECT_EQ(cascade("prod", entries({"a.example"})), "prod/b under prod: z.example *.other.example 10.0.0.1\n");
  EXPECT_EQ(cascade("prod", entries({"*.example", "10.0.0.0/8"})), "prod/b under prod: *.other.example\n");
  EXPECT_EQ(cascade("prod", entries({"**.example", "0.0.0.0/0"})), "");
  EXPECT_EQ(cascade("prod", entries({})),
            "prod/a/x under prod: a.example\n"
            "prod/b under prod: z.example a.example *.other.example 10.0.0.1\n");
  EXPECT_EQ(cascade("prod", std::nullopt), "");
}

TEST_F(CascadeTest, AnExpiredEntryNeitherCoversNorIsUncovered) {
  put("prod/a", std::vector{expiring("a.example", 1'000), entry("b.example")});
  const std::vector list{expiring("**.example", 2'000)};
  EXPECT_EQ(cascade("prod", list), "");
  EXPECT_EQ(cascade("prod", entries({})), "prod/a under prod: a.example b.example\n");
  clock_.advance_ms(1'000);
  EXPECT_EQ(cascade("prod", entries({})), "prod/a under prod: b.example\n");
  clock_.advance_ms(1'000);
  EXPECT_EQ(cascade("prod", list), "prod/a under prod: b.example\n");
}

// Random trees that are edited, broken by lists nobody checked, and thinned out, while time passes: the index and the
// full scan say the same of every namespace, existing or not, and of every list.
TEST_F(CascadeTest, AgreesWithAFullScanOnRandomTrees) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto pick = [&](const auto& from) { return from[random() % from.size()]; };
  const std::vector<std::string> paths{"/",   "a",    "a/b", "a/b/c", "a/b/c/d", "a/b/e",
                                       "a-b", "a/b0", "f",   "f/g/h", "f/g"};
  const std::vector<std::string> texts{"x.e",        "y.e",           "x.y.e",    "z.x.y.e",    "*.e",
                                       "*.y.e",      "**.e",          "**.y.e",   "e",          "f",
                                       "**.f",       "a-b.f",         "10.0.0.1", "10.0.0.0/8", "0.0.0.0/0",
                                       "10.0.0.0/9", "2001:db8::/32", "::/0",     "*.x.y.e",    "0.f"};
  const auto random_list = [&]() -> AllowList {
    if (random() % 6 == 0) return std::nullopt;
    AllowList list = std::vector<DomainEntry>();
    for (std::size_t i = random() % 7; i > 0; --i) {
      DomainEntry one =
          random() % 3 == 0 ? expiring(pick(texts), static_cast<UnixMillis>(random() % 50)) : entry(pick(texts));
      list->push_back(std::move(one));
    }
    return list;
  };
  std::size_t uncovered_seen = 0;
  for (int step = 0; step < 150; ++step) {
    const std::string path = pick(paths);
    write([&](Writer& writer) {
      auto stored = writer.find_namespace(path);
      if (stored && random() % 5 == 0) {
        EXPECT_TRUE(writer.remove_namespace(path));
        return;
      }
      NamespaceRecord record = stored.value_or(NamespaceRecord());
      record.path = path;
      const auto change = random() % 4;
      if (record.allowed && change == 0 && !record.allowed->empty()) {
        record.allowed->erase(record.allowed->begin() + static_cast<std::ptrdiff_t>(random() % record.allowed->size()));
      } else if (record.allowed && change == 1) {
        record.allowed->insert(
            record.allowed->begin() + static_cast<std::ptrdiff_t>(random() % (record.allowed->size() + 1)),
            entry(pick(texts)));
      } else {
        record.allowed = random_list();
      }
      writer.put_namespace(record);
      EXPECT_EQ(writer.find_namespace(path)->allowed, record.allowed);
      if (random() % 10 == 0) writer.discard();
    });
    clock_.advance_ms(static_cast<UnixMillis>(random() % 5));
    for (const std::string& of : paths) {
      const AllowList list = random_list();
      store_
          ->read([&](Reader& reader) {
            const auto expected = describe(scan_cascade(reader, of, list, clock_.now_ms()));
            uncovered_seen += expected.empty() ? 0 : 1;
            EXPECT_EQ(describe(find_cascade(reader, of, list, clock_.now_ms())), expected)
                << "of " << of << ", step " << step;
            return 0;
          })
          .value();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(uncovered_seen, 100U);
}

TEST_F(CascadeTest, ChainsOfAListingAreThoseReadOneByOne) {
  for (const char* path : {"/", "a", "a/b/c", "a/b/c/d", "a/b/c/e/f", "a-b", "a/z", "g/h"}) put(path, entries({"x.e"}));
  const auto paths_of = [](const std::vector<NamespaceRecord>& chain) {
    std::vector<std::string> paths;
    for (const NamespaceRecord& record : chain) paths.push_back(record.path);
    return paths;
  };
  store_
      ->read([&](Reader& reader) {
        ChainReader chains(reader);
        const auto page = reader.namespaces("", 100);
        EXPECT_EQ(page.rows.size(), 8U);
        for (const NamespaceRecord& record : page.rows) {
          EXPECT_EQ(paths_of(chains.chain_of(record)), paths_of(existing_chain(reader, record.path)));
        }
        return 0;
      })
      .value();
}

// An insertion moves nobody, until there is no room left between two neighbours.
TEST_F(CascadeTest, AListKeepsItsOrderHoweverOftenItIsInsertedInto) {
  std::vector<DomainEntry> list = entries({"first.e", "last.e"});
  put("prod/a", list);
  for (int i = 0; i < 60; ++i) {
    list.insert(list.begin() + 1, entry("n" + std::to_string(i) + ".e"));
    put("prod/a", list);
  }
  EXPECT_EQ(store_->read([](Reader& reader) { return reader.find_namespace("prod/a")->allowed; }).value(), list);
  std::string expected = "prod/a under prod:";
  for (const DomainEntry& one : list) expected += " " + format_host_pattern(one.pattern);
  EXPECT_EQ(cascade("prod", entries({})), expected + "\n");
}

}  // namespace
}  // namespace egress::server
