#include "preload/agent/resolver_config.h"

#include <algorithm>
#include <charconv>

#include "preload/agent/text_lines.h"
#include "shared/net/host_name.h"
#include "shared/session/protocol.h"

namespace egress {
namespace {

constexpr unsigned kMaxNdots = 15;  // RES_MAXNDOTS

void read_options(const std::vector<std::string_view>& words, ResolverConfig& config) {
  constexpr std::string_view kNdots = "ndots:";
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with(kNdots)) continue;
    const std::string_view digits = words[i].substr(kNdots.size());
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && end == digits.data() + digits.size()) config.ndots = std::min(value, kMaxNdots);
  }
}

}  // namespace

ResolverConfig ResolverConfig::parse(std::string_view text) {
  ResolverConfig config;
  for (std::string_view line : split_lines(text)) {
    if (line.starts_with('#') || line.starts_with(';')) continue;
    const auto words = split_words(line);
    if (words.empty()) continue;
    if (words[0] == "options") read_options(words, config);
    if (words[0] != "search" && words[0] != "domain") continue;
    config.search.clear();
    const std::size_t count = words[0] == "domain" ? std::min<std::size_t>(words.size(), 2) : words.size();
    for (std::size_t i = 1; i < count; ++i) {
      if (auto domain = parse_host_name(words[i])) config.search.push_back(std::move(*domain));
    }
  }
  return config;
}

std::vector<std::string> expand_name(const std::string& name, bool absolute, const ResolverConfig& config) {
  std::vector<std::string> names;
  if (absolute) return {name};
  const auto dots = static_cast<unsigned>(std::count(name.begin(), name.end(), '.'));
  const bool as_is_first = dots >= config.ndots;
  if (as_is_first) names.push_back(name);
  for (const std::string& domain : config.search) {
    if (names.size() + (as_is_first ? 0 : 1) >= kMaxLookupQueries) break;
    if (auto expanded = parse_host_name(name + "." + domain)) names.push_back(std::move(*expanded));
  }
  if (!as_is_first) names.push_back(name);
  return names;
}

}  // namespace egress
