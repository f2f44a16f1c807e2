#include "server/startup/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "shared/net/host_name.h"

namespace egress::server {
namespace {

using Values = std::vector<std::string>;

constexpr std::array<std::string_view, 5> kLogLevels = {"debug", "info", "warn", "error", "off"};

tl::unexpected<Error> expected_but(const std::string& what, const std::string& got) {
  return fail(ErrorCode::kInvalidArgument, "expected " + what + ", not \"" + got + "\"");
}

Expected<std::uint64_t> parse_number(const std::string& text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < min || number > max) {
    return expected_but("a whole number from " + std::to_string(min) + " to " + std::to_string(max), text);
  }
  return number;
}

template <std::size_t HttpLimits::*member, std::uint64_t min, std::uint64_t max>
Expected<void> set_limit(ServerSettings& settings, const Values& values) {
  const auto number = parse_number(values[0], min, max);
  if (!number) return tl::unexpected(number.error());
  settings.limits.*member = static_cast<std::size_t>(*number);
  return {};
}

template <std::size_t HttpLimits::*member>
std::string show_limit(const ServerSettings& settings) {
  return std::to_string(settings.limits.*member);
}

template <std::string ServerSettings::*member>
Expected<void> set_path(ServerSettings& settings, const Values& values) {
  if (values[0].empty()) return expected_but("a path", values[0]);
  settings.*member = values[0];
  return {};
}

template <std::string ServerSettings::*member>
std::string show_text(const ServerSettings& settings) {
  return settings.*member;
}

Expected<void> set_listen(ServerSettings& settings, const Values& values) {
  const auto listen = parse_listen_address(values[0]);
  if (!listen) return expected_but("ADDRESS:PORT such as 127.0.0.1:8443 or [::1]:8443", values[0]);
  settings.listen = *listen;
  return {};
}

Expected<void> set_log(ServerSettings& settings, const Values& values) {
  if (std::find(kLogLevels.begin(), kLogLevels.end(), values[0]) == kLogLevels.end()) {
    return expected_but("debug, info, warn, error or off", values[0]);
  }
  settings.log = values[0];
  return {};
}

Expected<void> set_log_format(ServerSettings& settings, const Values& values) {
  if (values[0] != "text" && values[0] != "json") return expected_but("text or json", values[0]);
  settings.log_format = values[0] == "json" ? LogFormat::kJson : LogFormat::kText;
  return {};
}

Expected<void> set_max_wait(ServerSettings& settings, const Values& values) {
  const auto seconds = parse_number(values[0], 1, 60);
  if (!seconds) return tl::unexpected(seconds.error());
  settings.limits.max_wait = std::chrono::seconds(*seconds);
  return {};
}

Expected<void> set_allowed_hosts(ServerSettings& settings, const Values& values) {
  for (const std::string& value : values) {
    if (!parse_host_name(value) && !parse_address(value)) return expected_but("a host name or an address", value);
  }
  settings.allowed_hosts = values;
  return {};
}

constexpr auto kOptions = std::to_array<SettingOption>({
    {"listen", "ADDRESS:PORT", "where to listen; port 0 takes a free one", false, set_listen,
     [](const ServerSettings& settings) { return format_listen_address(settings.listen); }},
    {"data", "DIRECTORY", "for the database, the signing key and the address file; must be given", false,
     set_path<&ServerSettings::data>, show_text<&ServerSettings::data>},
    {"tls-cert", "FILE", "PEM certificate and its chain; serves https. Read again on SIGHUP", false,
     set_path<&ServerSettings::tls_cert>, show_text<&ServerSettings::tls_cert>},
    {"tls-key", "FILE", "PEM private key of the certificate, readable by its owner alone", false,
     set_path<&ServerSettings::tls_key>, show_text<&ServerSettings::tls_key>},
    {"allowed-host", "NAME", "a name this server is called by, besides loopback and the address it listens on", true,
     set_allowed_hosts,
     [](const ServerSettings& settings) {
       std::string text;
       for (const std::string& host : settings.allowed_hosts) text += (text.empty() ? "" : ",") + host;
       return text;
     }},
    {"log", "LEVEL", "how much to log on stderr: debug (every request), info, warn, error, off", false, set_log,
     show_text<&ServerSettings::log>},
    {"log-format", "FORMAT", "text, or json: one object a line", false, set_log_format,
     [](const ServerSettings& settings) {
       return std::string(settings.log_format == LogFormat::kJson ? "json" : "text");
     }},
    {"max-connections", "N", "connections open at once", false, set_limit<&HttpLimits::max_connections, 1, 1'000'000>,
     show_limit<&HttpLimits::max_connections>},
    {"header-bytes", "N", "of a request's header", false, set_limit<&HttpLimits::header_bytes, 1'024, 65'536>,
     show_limit<&HttpLimits::header_bytes>},
    {"max-wait-s", "N", "seconds that a request may be held, whatever it asks for", false, set_max_wait,
     [](const ServerSettings& settings) {
       return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(settings.limits.max_wait).count());
     }},
    {"io-threads", "N", "threads for connections and TLS", false, set_limit<&HttpLimits::io_threads, 1, 64>,
     show_limit<&HttpLimits::io_threads>},
    {"worker-threads", "N", "threads for what requests ask for", false, set_limit<&HttpLimits::worker_threads, 1, 256>,
     show_limit<&HttpLimits::worker_threads>},
});

std::string with_underscores(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

}  // namespace

std::span<const SettingOption> setting_options() { return kOptions; }

std::string environment_name_of(const SettingOption& option) {
  std::string name = "EGRESS_SERVER_" + with_underscores(option.name);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return name;
}

std::string file_key_of(const SettingOption& option) { return with_underscores(option.name); }

Expected<void> check_settings(const ServerSettings& settings) {
  if (settings.data.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a data directory is needed: --data DIRECTORY, EGRESS_SERVER_DATA, or data in the configuration file");
  }
  if (settings.tls_cert.empty() != settings.tls_key.empty()) {
    return fail(ErrorCode::kInvalidArgument, settings.tls_cert.empty()
                                                 ? "tls-key is given without tls-cert: https needs both"
                                                 : "tls-cert is given without tls-key: https needs both");
  }
  return {};
}

}  // namespace egress::server
