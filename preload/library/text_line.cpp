#include "preload/library/text_line.h"

namespace egress {

void TextLine::put(char c) noexcept {
  ++wanted_;
  if (size_ + 1 >= capacity_) return;
  text_[size_++] = c;
  text_[size_] = '\0';
}

void TextLine::cut(std::size_t size) noexcept {
  if (size < size_) size_ = size;
  wanted_ = size_;
  text_[size_] = '\0';
}

TextLine& TextLine::add(const char* text) noexcept {
  for (; *text != '\0'; ++text) put(*text);
  return *this;
}

TextLine& TextLine::add_printable(const char* text, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    put(c < 0x20 || c == 0x7f ? '?' : text[i]);
  }
  return *this;
}

TextLine& TextLine::add_number(std::int64_t value) noexcept {
  char digits[20];
  std::size_t count = 0;
  std::uint64_t rest = value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  do {
    digits[count++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) put('-');
  while (count > 0) put(digits[--count]);
  return *this;
}

TextLine& TextLine::add_address(Address address) noexcept {
  if (is_ipv4(address)) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      add_number(ipv4_bits(address) >> shift & 0xff);
      if (shift > 0) put('.');
    }
    return *this;
  }
  put('[');
  add_groups(address);
  put(']');
  return *this;
}

void TextLine::add_groups(Address address) noexcept {
  unsigned groups[8];
  for (unsigned i = 0; i < 4; ++i) {
    groups[i] = static_cast<unsigned>(address.high >> (48 - 16 * i) & 0xffff);
    groups[4 + i] = static_cast<unsigned>(address.low >> (48 - 16 * i) & 0xffff);
  }
  unsigned zeros_begin = 8;
  unsigned zeros_size = 1;  // a single zero group is not shortened
  for (unsigned i = 0; i < 8; ++i) {
    unsigned end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > zeros_size) zeros_begin = i, zeros_size = end - i;
  }
  for (unsigned i = 0; i < 8;) {
    if (i == zeros_begin) {
      add("::");
      i += zeros_size;
      continue;
    }
    if (i > 0 && i != zeros_begin + zeros_size) put(':');
    bool leading = true;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const unsigned digit = groups[i] >> shift & 0xf;
      if (digit == 0 && leading && shift > 0) continue;
      leading = false;
      put("0123456789abcdef"[digit]);
    }
    ++i;
  }
}

}  // namespace egress
