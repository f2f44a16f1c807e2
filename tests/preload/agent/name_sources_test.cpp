// The three sources of names: hosts file, resolv.conf, EGRESS_RESOLVE; and the file watch under the first two.
#include <gtest/gtest.h>

#include <fstream>

#include "preload/agent/hosts_file.h"
#include "preload/agent/resolve_overrides.h"
#include "preload/agent/resolver_config.h"
#include "preload/agent/watched_file.h"
#include "shared/session/protocol.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

using Names = std::vector<std::string>;

TEST(HostsFileTest, CollectsEveryAddressOfANameAcrossLines) {
  const auto hosts = HostsFile::parse(
      "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # comment\n\n# 9.9.9.9 commented\n"
      "10.0.0.5 DB.Internal db\n10.0.0.6 db\n10.0.0.5 db\nbogus name\n10.0.0.9\n10.0.0.7 bad..name good");
  ASSERT_EQ(hosts.find("localhost").size(), 2u);
  ASSERT_EQ(hosts.find("db").size(), 2u);
  EXPECT_EQ(format_address(hosts.find("db")[1]), "10.0.0.6");
  EXPECT_EQ(hosts.find("db.internal").size(), 1u);
  EXPECT_EQ(hosts.find("good").size(), 1u);
  EXPECT_TRUE(hosts.find("commented").empty());
  EXPECT_TRUE(hosts.find("name").empty());
}

TEST(ResolverConfigTest, TheLastSearchOrDomainLineWins) {
  EXPECT_EQ(ResolverConfig::parse("domain a.example\nsearch b.example C.Example\n").search,
            (Names{"b.example", "c.example"}));
  EXPECT_EQ(ResolverConfig::parse("search b.example c.example\ndomain a.example extra\n").search, (Names{"a.example"}));
  EXPECT_TRUE(ResolverConfig::parse("nameserver 1.1.1.1\n; search no.example\n#search no.example\n").search.empty());
}

TEST(ResolverConfigTest, ReadsNdotsWithinGlibcsBound) {
  EXPECT_EQ(ResolverConfig::parse("").ndots, 1u);
  EXPECT_EQ(ResolverConfig::parse("options timeout:1 ndots:5 rotate").ndots, 5u);
  EXPECT_EQ(ResolverConfig::parse("options ndots:99").ndots, 15u);
  EXPECT_EQ(ResolverConfig::parse("options ndots:x").ndots, 1u);
  EXPECT_EQ(ResolverConfig::parse("options ndots:0").ndots, 0u);
}

TEST(ExpandNameTest, OrdersAsGlibcDoes) {
  const auto config = ResolverConfig::parse("search x.example y.example\noptions ndots:2");
  EXPECT_EQ(expand_name("db", false, config), (Names{"db.x.example", "db.y.example", "db"}));
  EXPECT_EQ(expand_name("a.b", false, config), (Names{"a.b.x.example", "a.b.y.example", "a.b"}));
  EXPECT_EQ(expand_name("a.b.c", false, config), (Names{"a.b.c", "a.b.c.x.example", "a.b.c.y.example"}));
  EXPECT_EQ(expand_name("db", true, config), (Names{"db"}));
  EXPECT_EQ(expand_name("db", false, ResolverConfig{}), (Names{"db"}));
}

TEST(ExpandNameTest, IsBoundedAndAlwaysHoldsTheNameItself) {
  ResolverConfig config;
  for (int i = 0; i < 50; ++i) config.search.push_back("s" + std::to_string(i) + ".example");
  const auto names = expand_name("db", false, config);
  EXPECT_EQ(names.size(), kMaxLookupQueries);
  EXPECT_EQ(names.back(), "db");
}

TEST(ExpandNameTest, LeavesOutExpansionsThatAreTooLong) {
  ResolverConfig config;
  config.search = {std::string(60, 'a') + "." + std::string(60, 'b')};
  const std::string name = std::string(60, 'c') + "." + std::string(60, 'd') + "." + std::string(60, 'e');
  EXPECT_EQ(expand_name(name, false, config), (Names{name}));
}

TEST(ResolveOverridesTest, ParsesNamesAndAddresses) {
  const auto overrides = ResolveOverrides::parse("Api.Example=127.0.0.1,::1;db.example=10.0.0.5;");
  ASSERT_TRUE(overrides.has_value()) << overrides.error().message;
  EXPECT_EQ(overrides->find("api.example").size(), 2u);
  EXPECT_EQ(overrides->find("db.example").size(), 1u);
  EXPECT_TRUE(overrides->find("x.example").empty());
  EXPECT_TRUE(ResolveOverrides::parse("").has_value());
}

TEST(ResolveOverridesTest, RefusesWithTheEntry) {
  for (const char* text : {"api.example", "=127.0.0.1", "api.example=", "api.example=,", "api.example=localhost",
                           "a..b=127.0.0.1", "api.example=127.1"}) {
    const auto overrides = ResolveOverrides::parse(text);
    ASSERT_FALSE(overrides.has_value()) << text;
    EXPECT_NE(overrides.error().message.find(text), std::string::npos) << overrides.error().message;
  }
}

TEST(WatchedFileTest, FollowsChangesAndAbsence) {
  const TempDirectory directory;
  const auto path = directory.path() / "hosts";
  WatchedFile<HostsFile> hosts(path, HostsFile::parse);
  EXPECT_TRUE(hosts.get().find("a").empty());
  std::ofstream(path) << "10.0.0.1 a\n";
  EXPECT_EQ(hosts.get().find("a").size(), 1u);
  std::ofstream(path) << "10.0.0.1 a\n10.0.0.2 a\n";
  EXPECT_EQ(hosts.get().find("a").size(), 2u);
  std::filesystem::remove(path);
  EXPECT_TRUE(hosts.get().find("a").empty());
}

}  // namespace
}  // namespace egress
