#include "server/startup/setting_sources.h"

#include <CLI/CLI.hpp>

#include "server/startup/settings_file.h"

namespace egress::server {
namespace {

constexpr const char* kConfig = "config";
constexpr const char* kConfigVariable = "EGRESS_SERVER_CONFIG";

// Without the empty parts.
std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

void SettingSources::add_flags(CLI::App& app) {
  app.add_option("--config", flags_[kConfig], "FILE (YAML) with the settings below, written tls_cert: …")
      ->expected(1)
      ->type_name("FILE");
  const ServerSettings defaults;
  for (const SettingOption& option : setting_options()) {
    const std::string shown = option.show(defaults);
    CLI::Option* added = app.add_option("--" + std::string(option.name), flags_[std::string(option.name)],
                                        std::string(option.description) + " [" + environment_name_of(option) + "]" +
                                            (shown.empty() ? std::string() : "; default " + shown));
    added->type_name(std::string(option.value_name))->expected(1);
    if (option.repeatable) added->take_all()->allow_extra_args(false);
  }
  app.footer(
      "A flag wins over the environment, that over the configuration file. SIGHUP reads certificate and key again, "
      "and the log level from the configuration file.");
}

std::string SettingSources::config_path() const {
  const auto flag = flags_.find(kConfig);
  if (flag != flags_.end() && !flag->second.empty()) return flag->second.front();
  return environment_(kConfigVariable).value_or("");
}

Expected<ServerSettings> SettingSources::load() const {
  ServerSettings settings;
  if (const std::string path = config_path(); !path.empty()) {
    if (auto done = load_settings_file(path, settings); !done) return tl::unexpected(done.error());
  }
  for (const SettingOption& option : setting_options()) {
    const std::string name = environment_name_of(option);
    const auto value = environment_(name);
    if (!value || value->empty()) continue;
    const auto values = option.repeatable ? split_list(*value) : std::vector<std::string>{*value};
    if (values.empty()) continue;
    if (auto done = option.set(settings, values); !done) {
      return fail(ErrorCode::kInvalidArgument, name + ": " + done.error().message);
    }
  }
  for (const SettingOption& option : setting_options()) {
    const auto flag = flags_.find(std::string(option.name));
    if (flag == flags_.end() || flag->second.empty()) continue;
    if (auto done = option.set(settings, flag->second); !done) {
      return fail(ErrorCode::kInvalidArgument, "--" + std::string(option.name) + ": " + done.error().message);
    }
  }
  if (auto done = check_settings(settings); !done) return tl::unexpected(done.error());
  return settings;
}

std::vector<std::string> differing_options(const ServerSettings& a, const ServerSettings& b) {
  std::vector<std::string> names;
  for (const SettingOption& option : setting_options()) {
    if (option.show(a) != option.show(b)) names.emplace_back(option.name);
  }
  return names;
}

}  // namespace egress::server
