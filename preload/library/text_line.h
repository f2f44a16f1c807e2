// A line of text built in the caller's memory: what stdio does, without stdio. What does not fit is cut off, never
// written past the end; the text always ends in NUL.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/net/address.h"

namespace egress {

class TextLine {
 public:
  TextLine(char* text, std::size_t capacity) noexcept : text_(text), capacity_(capacity) { text_[0] = '\0'; }

  TextLine& add(const char* text) noexcept;
  // Control characters, which could forge a second line or drive a terminal, become '?'.
  TextLine& add_printable(const char* text, std::size_t size) noexcept;
  TextLine& add_number(std::int64_t value) noexcept;
  // "1.2.3.4" or "[2001:db8::1]" (RFC 5952).
  TextLine& add_address(Address address) noexcept;

  const char* text() const noexcept { return text_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t wanted() const noexcept { return wanted_; }  // size without the cut
  void clear() noexcept { cut(0); }
  void cut(std::size_t size) noexcept;  // to at most `size` characters

 private:
  void put(char c) noexcept;
  void add_groups(Address address) noexcept;

  char* text_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::size_t wanted_ = 0;
};

// A TextLine with its own memory.
template <std::size_t kCapacity>
class StackLine : public TextLine {
 public:
  StackLine() noexcept : TextLine(storage_, kCapacity) {}
  StackLine(const StackLine&) = delete;
  StackLine& operator=(const StackLine&) = delete;

 private:
  char storage_[kCapacity];
};

}  // namespace egress
