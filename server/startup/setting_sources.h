// Where settings come from: flag over environment over configuration file over default. Every source is checked whole,
// what another one overrides included.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/startup/settings.h"

namespace CLI {
class App;
}

namespace egress::server {

// A variable's value; nullopt if unset.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

class SettingSources {
 public:
  explicit SettingSources(Environment environment) : environment_(std::move(environment)) {}

  // A flag for each option, and --config. Their values are there after the app has parsed.
  void add_flags(CLI::App& app);
  void give_flag(const std::string& name, std::vector<std::string> values) { flags_[name] = std::move(values); }

  // Reads the file anew each time. kInvalidArgument names the flag, the variable, or file, line and column, and what
  // was expected there. Variables of other names are nobody's mistake: container platforms set EGRESS_SERVER_PORT and
  // the like for a service called egress-server.
  Expected<ServerSettings> load() const;

 private:
  std::string config_path() const;

  const Environment environment_;
  std::map<std::string, std::vector<std::string>> flags_;  // by option name, "config" among them
};

// What differs, by option name: for what a running server cannot change.
std::vector<std::string> differing_options(const ServerSettings& a, const ServerSettings& b);

}  // namespace egress::server
