// Everything that can be set about a server, and the one table of options that flags, environment, configuration file
// and
// --help are made from.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/http_limits.h"
#include "server/startup/listen_address.h"
#include "shared/base/error.h"

namespace egress::server {

enum class LogFormat : std::uint8_t { kText, kJson };

struct ServerSettings {
  ListenAddress listen{make_ipv4(0x7f000001), 8443};
  std::string data;      // must be given
  std::string tls_cert;  // with tls_key, or neither
  std::string tls_key;
  std::vector<std::string> allowed_hosts;
  std::string log = "info";  // a level's name
  LogFormat log_format = LogFormat::kText;
  HttpLimits limits;

  bool has_tls() const { return !tls_cert.empty(); }
};

struct SettingOption {
  // "tls-cert" is --tls-cert, EGRESS_SERVER_TLS_CERT, and tls_cert in the configuration file.
  std::string_view name;
  std::string_view value_name;
  std::string_view description;
  bool repeatable;  // several flags, "a,b" in the environment, a list in the file; a later source replaces an earlier's
  // At least one value, and one alone unless repeatable. The error's message is what was expected.
  Expected<void> (*set)(ServerSettings&, const std::vector<std::string>& values);
  std::string (*show)(const ServerSettings&);  // empty: nothing to show
};
std::span<const SettingOption> setting_options();

std::string environment_name_of(const SettingOption& option);
std::string file_key_of(const SettingOption& option);

// What the sources together must hold. kInvalidArgument says what is missing.
Expected<void> check_settings(const ServerSettings& settings);

}  // namespace egress::server
