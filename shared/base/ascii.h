// Bytes as ASCII, whatever the locale is: what protocols compare without case, and what may be shown on a terminal.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace egress {

constexpr char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Case of letters beyond ASCII counts.
inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_ascii(x) == lower_ascii(y); });
}

constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

inline bool has_control_characters(std::string_view text) { return std::any_of(text.begin(), text.end(), is_control); }

// Whether every byte is ASCII that can be seen: neither blank nor control character. True of "".
inline bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// With a blank for every control character: what others wrote must not steer the terminal that it ends on.
inline std::string without_controls(std::string text) {
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return text;
}

}  // namespace egress
