#include "server/http/request_id.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <random>

namespace egress::server {

bool is_request_id(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), is_plain);
}

// Names, not secrets: nothing is granted for knowing one.
std::string make_request_id() {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::array<std::random_device::result_type, 8> words{};
    std::generate(words.begin(), words.end(), std::ref(device));
    std::seed_seq seed(words.begin(), words.end());
    return std::mt19937_64(seed);
  }();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id(16, '0');
  std::uint64_t bits = random();
  for (char& digit : id) {
    digit = kDigits[bits & 15];
    bits >>= 4;
  }
  return id;
}

}  // namespace egress::server
