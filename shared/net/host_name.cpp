#include "shared/net/host_name.h"

#include <idn2.h>

#include <algorithm>

#include "shared/base/ascii.h"
#include "shared/base/limits.h"

namespace egress {
namespace {

// Ample for a name written in U-labels; anything longer cannot be a name of 253 A-label bytes.
constexpr std::size_t kMaxWrittenNameBytes = 1024;

bool is_name_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

Expected<std::string> to_a_labels(const std::string& name) {
  char* converted = nullptr;
  const int code = idn2_to_ascii_8z(name.c_str(), &converted, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  if (code != IDN2_OK) {
    return fail(ErrorCode::kInvalidArgument, "\"" + name + "\" is not a host name: " + idn2_strerror(code));
  }
  std::string result(converted);
  idn2_free(converted);
  return result;
}

}  // namespace

Expected<std::string> parse_host_name(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 64)) + "\" is not a host name: " + why);
  };
  if (text.empty()) return bad("it is empty");
  if (text.size() > kMaxWrittenNameBytes) return bad("it is longer than 253 bytes");
  if (text.find('\0') != std::string_view::npos) return bad("it holds a NUL byte");
  std::string name(text);
  if (name.back() == '.') name.pop_back();
  std::transform(name.begin(), name.end(), name.begin(), lower_ascii);
  const bool has_u_label =
      std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (has_u_label || name.starts_with("xn--") || name.find(".xn--") != std::string::npos) {
    auto converted = to_a_labels(name);
    if (!converted) return tl::unexpected(converted.error());
    name = *std::move(converted);
  }
  if (name.empty()) return bad("it is empty");
  if (name.size() > kMaxHostNameBytes) return bad("it is longer than 253 bytes");
  std::size_t label_start = 0;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && name[i] != '.') {
      if (!is_name_byte(name[i])) return bad("only letters, digits, '-', '_' and '.' are allowed");
      continue;
    }
    const std::size_t length = i - label_start;
    if (length == 0) return bad("a label is empty");
    if (length > kMaxHostLabelBytes) return bad("a label is longer than 63 bytes");
    label_start = i + 1;
  }
  return name;
}

}  // namespace egress
