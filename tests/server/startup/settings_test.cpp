#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "server/startup/setting_sources.h"
#include "server/startup/settings_file.h"
#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  SettingSources sources() {
    return SettingSources([this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional<std::string>(found->second);
    });
  }
  std::string write_file(const std::string& text) {
    const std::string path = directory_.path() + "/egress.yaml";
    std::ofstream(path) << text;
    return path;
  }
  static std::string refusal_of_file(const std::string& text) {
    ServerSettings settings;
    const auto done = parse_settings_file(text, "egress.yaml", settings);
    return done ? "accepted" : done.error().message;
  }

  TemporaryDirectory directory_;
  std::map<std::string, std::string> environment_;
};

TEST_F(SettingsTest, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const std::string file = write_file("data: /file\nlisten: 127.0.0.1:1\nlog: debug\nmax_connections: 7\n");
  environment_ = {{"EGRESS_SERVER_LISTEN", "127.0.0.1:2"}, {"EGRESS_SERVER_LOG", "error"}};
  SettingSources from = sources();
  from.give_flag("config", {file});
  from.give_flag("listen", {"127.0.0.1:3"});
  const auto settings = from.load();
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->listen.port, 3);
  EXPECT_EQ(settings->log, "error");
  EXPECT_EQ(settings->data, "/file");
  EXPECT_EQ(settings->limits.max_connections, 7u);
  EXPECT_EQ(settings->limits.io_threads, HttpLimits().io_threads);
}

TEST_F(SettingsTest, EveryOptionCanBeSetFromEverySource) {
  const std::map<std::string, std::string> values = {
      {"listen", "[::1]:9"},      {"data", "/d"},      {"tls-cert", "/c"},     {"tls-key", "/k"},
      {"allowed-host", "a.test"}, {"log", "warn"},     {"log-format", "json"}, {"max-connections", "11"},
      {"header-bytes", "2048"},   {"max-wait-s", "5"}, {"io-threads", "3"},    {"worker-threads", "9"},
  };
  std::set<std::string> known;
  for (const SettingOption& option : setting_options()) known.insert(std::string(option.name));
  ASSERT_EQ(known.size(), values.size());
  std::string text;
  SettingSources by_flag = sources();
  for (const SettingOption& option : setting_options()) {
    const std::string& value = values.at(std::string(option.name));
    text += file_key_of(option) + ": \"" + value + "\"\n";
    by_flag.give_flag(std::string(option.name), {value});
  }
  const std::string file = write_file(text);
  SettingSources by_file = sources();
  by_file.give_flag("config", {file});
  const auto check = [&](const char* source, const Expected<ServerSettings>& settings) {
    ASSERT_TRUE(settings) << source << ": " << settings.error().message;
    for (const SettingOption& option : setting_options()) {
      EXPECT_EQ(option.show(*settings), values.at(std::string(option.name))) << source << " " << option.name;
    }
  };
  check("flags", by_flag.load());
  check("file", by_file.load());
  for (const SettingOption& option : setting_options()) {
    environment_[environment_name_of(option)] = values.at(std::string(option.name));
  }
  check("environment", sources().load());
}

TEST_F(SettingsTest, ALaterSourceReplacesAnEarlierOnesList) {
  const std::string file = write_file("data: /d\nallowed_host: [a.test, b.test]\n");
  environment_ = {{"EGRESS_SERVER_CONFIG", file}};
  EXPECT_THAT(sources().load()->allowed_hosts, ElementsAre("a.test", "b.test"));
  environment_["EGRESS_SERVER_ALLOWED_HOST"] = "c.test,d.test";
  EXPECT_THAT(sources().load()->allowed_hosts, ElementsAre("c.test", "d.test"));
  SettingSources from = sources();
  from.give_flag("allowed-host", {"e.test"});
  EXPECT_THAT(from.load()->allowed_hosts, ElementsAre("e.test"));
}

TEST_F(SettingsTest, EmptyVariablesAndOnesOfOtherNamesSetNothing) {
  environment_ = {{"EGRESS_SERVER_DATA", "/d"},
                  {"EGRESS_SERVER_LOG", ""},
                  {"EGRESS_SERVER_PORT", "tcp://10.0.0.1:8443"},  // as Kubernetes sets it for a service egress-server
                  {"EGRESS_SERVER", "http://127.0.0.1:8443"}};
  const auto settings = sources().load();
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->log, "info");
}

TEST_F(SettingsTest, RefusesWhatIsMissingOrHalf) {
  EXPECT_THAT(sources().load().error().message, HasSubstr("a data directory is needed"));
  environment_ = {{"EGRESS_SERVER_DATA", "/d"}, {"EGRESS_SERVER_TLS_CERT", "/c"}};
  EXPECT_THAT(sources().load().error().message, HasSubstr("tls-cert is given without tls-key"));
  environment_ = {{"EGRESS_SERVER_DATA", "/d"}, {"EGRESS_SERVER_TLS_KEY", "/k"}};
  EXPECT_THAT(sources().load().error().message, HasSubstr("tls-key is given without tls-cert"));
}

TEST_F(SettingsTest, NamesTheSourceOfABadValueEvenIfAnotherOneOverridesIt) {
  environment_ = {{"EGRESS_SERVER_DATA", "/d"}, {"EGRESS_SERVER_LOG", "loud"}};
  SettingSources from = sources();
  from.give_flag("log", {"info"});
  EXPECT_EQ(from.load().error().message, "EGRESS_SERVER_LOG: expected debug, info, warn, error or off, not \"loud\"");
  environment_.erase("EGRESS_SERVER_LOG");
  from.give_flag("io-threads", {"0"});
  EXPECT_EQ(from.load().error().message, "--io-threads: expected a whole number from 1 to 64, not \"0\"");
  from.give_flag("config", {directory_.path() + "/absent"});
  EXPECT_THAT(from.load().error().message, HasSubstr(directory_.path() + "/absent: cannot be opened"));
}

TEST_F(SettingsTest, RefusesValuesOutOfBounds) {
  const struct {
    const char* option;
    std::vector<std::string> bad;
  } kCases[] = {
      {"listen", {"", "8443", "example.test:1", "127.0.0.1:70000"}},
      {"max-connections", {"", "0", "-1", "1000001", "1e3", "99999999999999999999", "12 "}},
      {"header-bytes", {"1023", "65537"}},
      {"max-wait-s", {"0", "61"}},
      {"worker-threads", {"0", "257"}},
      {"log-format", {"yaml", "JSON"}},
      {"allowed-host", {"a b", "*.test", "a.test:80"}},
      {"tls-cert", {""}},
  };
  for (const auto& c : kCases) {
    for (const std::string& value : c.bad) {
      SettingSources from = sources();
      from.give_flag("data", {"/d"});
      from.give_flag(c.option, {value});
      const auto settings = from.load();
      ASSERT_FALSE(settings) << c.option << " " << value;
      EXPECT_THAT(settings.error().message, HasSubstr("--" + std::string(c.option) + ": expected ")) << value;
    }
  }
}

TEST_F(SettingsTest, TheFilesMistakesHaveAPlace) {
  const struct {
    const char* name;
    const char* text;
    const char* says;
  } kCases[] = {
      {"unknown key", "data: /d\nlisen: x\n",
       "egress.yaml:2:1: lisen: unknown setting (expected listen)\n  lisen: x\n  ^"},
      {"nothing like it", "whatever: 1\n", "egress.yaml:1:1: whatever: unknown setting (expected one of listen, data,"},
      {"bad value", "data: /d\nmax_connections:   none\n",
       "egress.yaml:2:20: max_connections: expected a whole number from 1 to 1000000, not \"none\""},
      {"a list where one value belongs", "data: [a, b]\n",
       "egress.yaml:1:7: data: not what can be set here (expected one value)"},
      {"a mapping", "data: {a: b}\n", "egress.yaml:1:7: data: not what can be set here"},
      {"null", "data:\n", "data: not what can be set here"},
      {"twice", "log: info\nlog: warn\n", "egress.yaml:2:1"},
      {"not a mapping", "- a\n", "egress.yaml:1:1: not a mapping"},
      {"two documents", "log: info\n---\nlog: warn\n", "egress.yaml:3:1: a second document"},
      {"not YAML", "log: [info\n", "not YAML"},
      {"a list with something else in it", "allowed_host: [a.test, [b.test]]\n",
       "egress.yaml:1:24: allowed_host: not a text"},
  };
  for (const auto& c : kCases) EXPECT_THAT(refusal_of_file(c.text), HasSubstr(c.says)) << c.name;
  EXPECT_EQ(refusal_of_file(""), "accepted");
  EXPECT_EQ(refusal_of_file("# nothing yet\n"), "accepted");
}

TEST_F(SettingsTest, ABadFileSetsNothing) {
  ServerSettings settings;
  EXPECT_FALSE(parse_settings_file("log: debug\nio_threads: many\n", "f", settings));
  EXPECT_EQ(settings.log, "info");
}

TEST_F(SettingsTest, SaysWhatDiffers) {
  ServerSettings a;
  ServerSettings b;
  b.data = "/elsewhere";
  b.limits.io_threads = 7;
  EXPECT_THAT(differing_options(a, b), ElementsAre("data", "io-threads"));
}

}  // namespace
}  // namespace egress::server
