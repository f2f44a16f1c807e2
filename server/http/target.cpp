#include "server/http/target.h"

#include <optional>

namespace egress::server {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high << 4 | low);
      i += 2;
    }
  }
  return decoded;
}

// RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : (lead & 0xf0) == 0xe0       ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second >= 0x90)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace

Expected<Target> parse_target(std::string_view text) {
  if (text.empty() || text.front() != '/') {
    return fail(ErrorCode::kInvalidArgument, "the request target must be a path that starts with /");
  }
  Target target;
  const auto question = text.find('?');
  target.path = std::string(text.substr(0, question));
  if (question == std::string_view::npos) return target;
  std::string_view rest = text.substr(question + 1);
  while (!rest.empty()) {
    const auto ampersand = rest.find('&');
    const std::string_view pair = rest.substr(0, ampersand);
    rest = ampersand == std::string_view::npos ? std::string_view() : rest.substr(ampersand + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::optional<std::string>("") : decode(pair.substr(equals + 1));
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value)) {
      return fail(ErrorCode::kInvalidArgument,
                  "the query string is not percent-encoded UTF-8: " + std::string(pair.substr(0, 64)));
    }
    // Nothing that is asked for holds one, and the store's searches would stop there.
    if (name->find('\0') != std::string::npos || value->find('\0') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, "the query string holds a NUL byte: " + std::string(pair.substr(0, 64)));
    }
    if (target.query.size() == kMaxQueryParameters) {
      return fail(ErrorCode::kInvalidArgument,
                  "more than " + std::to_string(kMaxQueryParameters) + " query parameters");
    }
    target.query.emplace_back(*std::move(name), *std::move(value));
  }
  return target;
}

}  // namespace egress::server
