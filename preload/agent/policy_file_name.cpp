#include "preload/agent/policy_file_name.h"

namespace egress {
namespace {

constexpr std::string_view kPrefix = "file:";
constexpr std::string_view kShadow = ":shadow";

}  // namespace

std::string PolicyFileName::text() const {
  return std::string(kPrefix) + format_sha256(digest) + (shadow ? std::string(kShadow) : std::string());
}

bool is_policy_file_name(std::string_view server) { return server.starts_with(kPrefix); }

Expected<PolicyFileName> parse_policy_file_name(std::string_view text) {
  PolicyFileName name;
  std::string_view rest = text;
  if (rest.starts_with(kPrefix)) rest.remove_prefix(kPrefix.size());
  if (rest.ends_with(kShadow)) {
    name.shadow = true;
    rest.remove_suffix(kShadow.size());
  }
  const auto digest = parse_sha256(rest);
  if (!is_policy_file_name(text) || !digest) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 128)) +
                                                 "\" names no policy file: expected file: and 64 hexadecimal digits, "
                                                 "as egress exec --policy sets it");
  }
  name.digest = *digest;
  return name;
}

}  // namespace egress
