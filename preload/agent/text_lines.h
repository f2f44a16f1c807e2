// Lines and blank-separated words of configuration text, as views into it.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace egress {

inline std::vector<std::string_view> split_on(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return parts;
}

// Empty lines and words are left out.
inline std::vector<std::string_view> split_lines(std::string_view text) { return split_on(text, "\n"); }
inline std::vector<std::string_view> split_words(std::string_view text) { return split_on(text, " \t\r\v\f"); }

}  // namespace egress
