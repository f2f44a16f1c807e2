#include "server/api/preconditions.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "shared/base/ascii.h"

namespace egress::server {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Calls `visit` for each comma-separated element. Tags of ours hold no comma.
template <typename Visit>
void for_each_element(std::string_view line, Visit visit) {
  while (true) {
    const auto comma = line.find(',');
    visit(trim(line.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

bool names_tag(const std::vector<std::string>& if_none_match, std::string_view tag) {
  const std::string quoted = "\"" + std::string(tag) + "\"";
  bool named = false;
  for (const std::string& line : if_none_match) {
    for_each_element(line, [&](std::string_view element) {
      if (element.starts_with("W/")) element.remove_prefix(2);
      named = named || element == "*" || element == quoted;
    });
  }
  return named;
}

Result<std::chrono::milliseconds> parse_wait(const std::vector<std::string>& prefer) {
  std::optional<std::chrono::milliseconds> wait;
  std::optional<std::string> problem;
  for (const std::string& line : prefer) {
    for_each_element(line, [&](std::string_view element) {
      const auto equals = element.find('=');
      if (!equals_ignoring_case(trim(element.substr(0, equals)), "wait") || wait || problem) return;
      std::string_view value = equals == std::string_view::npos ? std::string_view() : element.substr(equals + 1);
      value = trim(value.substr(0, value.find(';')));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
      std::uint32_t seconds = 0;
      const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (code != std::errc{} || end != value.data() + value.size()) {
        problem = std::string(value.substr(0, 32));
        return;
      }
      wait = std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), kMaxWait);
    });
  }
  if (problem) {
    return refuse_field("invalid_header", "Prefer", "Prefer: wait=" + *problem + ": expected a number of seconds");
  }
  return wait.value_or(std::chrono::milliseconds(0));
}

}  // namespace egress::server
