#include "preload/launcher/child_environment.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace egress {
namespace {

constexpr std::string_view kPreload = "LD_PRELOAD=";
// The workload's own, and the one by which people change policy.
constexpr std::array<std::string_view, 2> kSecrets = {"EGRESS_TOKEN", "EGRESS_ADMIN_TOKEN"};

std::string join_preload(const std::string& library, std::string_view others) {
  std::string joined(kPreload);
  joined += library;
  // ld.so(8): separated by colons or blanks.
  while (!others.empty()) {
    const std::size_t end = std::min(others.find_first_of(": \t"), others.size());
    const std::string_view other = others.substr(0, end);
    if (!other.empty() && other != library) joined.append(":").append(other);
    others.remove_prefix(std::min(end + 1, others.size()));
  }
  return joined;
}

}  // namespace

std::vector<std::string> make_child_environment(const std::vector<std::string>& environment, const std::string& library,
                                                const std::map<std::string, std::string>& settings) {
  std::vector<std::string> result;
  std::string_view preloaded;
  for (const std::string& variable : environment) {
    const std::string name = variable.substr(0, variable.find('='));
    if (std::find(kSecrets.begin(), kSecrets.end(), name) != kSecrets.end()) continue;
    const auto set = settings.find(name);
    if (variable.starts_with(kPreload)) {
      preloaded = std::string_view(variable).substr(kPreload.size());
    } else if (set == settings.end() || set->second.empty()) {
      result.push_back(variable);
    }
  }
  result.push_back(join_preload(library, preloaded));
  for (const auto& [name, value] : settings) {
    if (!value.empty()) result.push_back(name + "=" + value);
  }
  return result;
}

}  // namespace egress
