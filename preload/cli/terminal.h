// Colours, only where a person reads: on a terminal without NO_COLOR.
#pragma once

#include <string>
#include <string_view>

namespace egress {

bool wants_colour(int fd);

class Palette {
 public:
  explicit Palette(bool coloured) : coloured_(coloured) {}
  std::string bold(std::string_view text) const { return paint("1", text); }
  std::string good(std::string_view text) const { return paint("32", text); }
  std::string bad(std::string_view text) const { return paint("31", text); }
  std::string dim(std::string_view text) const { return paint("2", text); }

 private:
  std::string paint(const char* code, std::string_view text) const {
    if (!coloured_) return std::string(text);
    return std::string("\033[") + code + "m" + std::string(text) + "\033[0m";
  }
  bool coloured_;
};

}  // namespace egress
