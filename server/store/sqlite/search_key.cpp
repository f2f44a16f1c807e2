#include "server/store/sqlite/search_key.h"

#include <charconv>

namespace egress::server {
namespace {

// All sort before '.', which ends a label, and before what a label may hold.
constexpr char kExactMark = '!';
constexpr char kOneLabelMark = '#';
constexpr char kAnyLabelsMark = '$';

constexpr char kCidrMark = ':';
constexpr char kRegexMark = '~';

constexpr std::size_t kHexOf32 = 8;
constexpr std::size_t kHexOf64 = 16;
constexpr std::size_t kHexOfPrefix = 2;
constexpr unsigned kWholeAddress = 128;

// "api.example.com" <-> "com.example.api."; its own inverse but for the final dot.
std::string reverse_labels(std::string_view name) {
  std::string reversed;
  reversed.reserve(name.size() + 2);
  for (std::size_t end = name.size();;) {
    const auto dot = name.rfind('.', end - 1);
    const std::size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
    reversed.append(name.substr(begin, end - begin));
    reversed += '.';
    if (begin == 0) return reversed;
    end = begin - 1;
  }
}

void append_hex(std::string& text, std::uint64_t value, std::size_t digits) {
  for (std::size_t i = digits; i-- > 0;) text += "0123456789abcdef"[(value >> (4 * i)) & 0xf];
}

std::optional<std::uint64_t> parse_hex(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (code != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::string cidr_key(bool ipv4, Address base, unsigned prefix) {
  std::string key{kCidrMark, ipv4 ? '4' : '6'};
  if (ipv4) {
    append_hex(key, ipv4_bits(base), kHexOf32);
  } else {
    append_hex(key, base.high, kHexOf64);
    append_hex(key, base.low, kHexOf64);
  }
  append_hex(key, prefix, kHexOfPrefix);
  return key;
}

// The key of the last address within `cidr`, which is the last key within it.
std::string last_key_within(const Cidr& cidr) {
  const unsigned wide = wide_prefix(cidr);
  const Address hosts = {~mask_address({~std::uint64_t{0}, ~std::uint64_t{0}}, wide).high,
                         ~mask_address({~std::uint64_t{0}, ~std::uint64_t{0}}, wide).low};
  const Address last = {cidr.base.high | hosts.high, cidr.base.low | hosts.low};
  return cidr_key(cidr.ipv4, last, cidr.ipv4 ? kWholeAddress - 96 : kWholeAddress);
}

std::optional<HostPattern> parse_cidr_key(std::string_view digits, bool ipv4) {
  const std::size_t address_digits = ipv4 ? kHexOf32 : 2 * kHexOf64;
  if (digits.size() != address_digits + kHexOfPrefix) return std::nullopt;
  const auto prefix = parse_hex(digits.substr(address_digits));
  if (!prefix || *prefix > (ipv4 ? 32U : kWholeAddress)) return std::nullopt;
  HostPattern pattern;
  pattern.kind = HostPatternKind::kCidr;
  pattern.cidr.ipv4 = ipv4;
  pattern.cidr.prefix = static_cast<std::uint8_t>(*prefix);
  if (ipv4) {
    const auto bits = parse_hex(digits.substr(0, kHexOf32));
    if (!bits) return std::nullopt;
    pattern.cidr.base = make_ipv4(static_cast<std::uint32_t>(*bits));
  } else {
    const auto high = parse_hex(digits.substr(0, kHexOf64));
    const auto low = parse_hex(digits.substr(kHexOf64, kHexOf64));
    if (!high || !low) return std::nullopt;
    pattern.cidr.base = {*high, *low};
  }
  return pattern;
}

std::optional<HostPattern> parse_name_key(std::string_view key) {
  if (key.size() < 3 || key[key.size() - 2] != '.') return std::nullopt;
  HostPattern pattern;
  switch (key.back()) {
    case kExactMark:
      pattern.kind = HostPatternKind::kExact;
      break;
    case kOneLabelMark:
      pattern.kind = HostPatternKind::kOneLabel;
      break;
    case kAnyLabelsMark:
      pattern.kind = HostPatternKind::kAnyLabels;
      break;
    default:
      return std::nullopt;
  }
  pattern.text = reverse_labels(key.substr(0, key.size() - 2));
  pattern.text.pop_back();
  return pattern;
}

}  // namespace

std::string search_key(const HostPattern& pattern) {
  switch (pattern.kind) {
    case HostPatternKind::kCidr:
      return cidr_key(pattern.cidr.ipv4, pattern.cidr.base, pattern.cidr.prefix);
    case HostPatternKind::kRegex:
      return kRegexMark + pattern.text;
    case HostPatternKind::kExact:
      return reverse_labels(pattern.text) + kExactMark;
    case HostPatternKind::kOneLabel:
      return reverse_labels(pattern.text) + kOneLabelMark;
    case HostPatternKind::kAnyLabels:
      break;
  }
  return reverse_labels(pattern.text) + kAnyLabelsMark;
}

Expected<HostPattern> parse_search_key(std::string_view key) {
  std::optional<HostPattern> pattern;
  if (key.starts_with(kRegexMark)) {
    pattern = HostPattern{HostPatternKind::kRegex, std::string(key.substr(1)), {}};
  } else if (key.starts_with(":4") || key.starts_with(":6")) {
    pattern = parse_cidr_key(key.substr(2), key[1] == '4');
  } else {
    pattern = parse_name_key(key);
  }
  if (!pattern)
    return fail(ErrorCode::kCorrupt, "\"" + std::string(key) + "\" is not the search key of a host pattern");
  return *std::move(pattern);
}

KeyCoverage::KeyCoverage(const std::vector<HostPattern>& patterns) {
  for (const HostPattern& pattern : patterns) {
    switch (pattern.kind) {
      case HostPatternKind::kExact:
      case HostPatternKind::kRegex:
        same_.insert(search_key(pattern));
        break;
      case HostPatternKind::kOneLabel:
        one_label_.insert(pattern.text);
        break;
      case HostPatternKind::kAnyLabels:
        any_labels_.insert(reverse_labels(pattern.text));
        break;
      case HostPatternKind::kCidr:
        cidrs_.emplace(search_key(pattern), pattern.cidr);
        break;
    }
  }
  // In the order of keys a CIDR follows those that contain it, with nothing but their other parts in between.
  for (auto wide = cidrs_.begin(); wide != cidrs_.end(); ++wide) {
    auto next = std::next(wide);
    while (next != cidrs_.end() && contains(wide->second, next->second)) next = cidrs_.erase(next);
  }
}

std::optional<std::string> KeyCoverage::covered_until(const HostPattern& pattern, std::string_view key) const {
  if (pattern.kind == HostPatternKind::kCidr) {
    const auto behind = cidrs_.upper_bound(key);
    if (behind == cidrs_.begin()) return std::nullopt;
    const Cidr& nearest = std::prev(behind)->second;
    if (!contains(nearest, pattern.cidr)) return std::nullopt;
    return last_key_within(nearest);
  }
  if (pattern.kind != HostPatternKind::kRegex && !any_labels_.empty()) {
    // The widest first: it reaches furthest. An exact name is below its proper suffixes alone.
    std::string_view names = key;
    names.remove_suffix(pattern.kind == HostPatternKind::kExact ? 2 : 1);
    for (auto dot = names.find('.'); dot != std::string_view::npos; dot = names.find('.', dot + 1)) {
      const std::string_view suffix = names.substr(0, dot + 1);
      if (any_labels_.contains(suffix)) return std::string(suffix.substr(0, dot)) + '/';  // '/' follows '.'
    }
  }
  if (same_.contains(key)) return std::string(key);
  if (pattern.kind == HostPatternKind::kOneLabel && one_label_.contains(pattern.text)) return std::string(key);
  if (pattern.kind == HostPatternKind::kExact) {
    const auto dot = pattern.text.find('.');
    if (dot != std::string::npos && one_label_.contains(std::string_view(pattern.text).substr(dot + 1))) {
      return std::string(key);
    }
  }
  return std::nullopt;
}

}  // namespace egress::server
