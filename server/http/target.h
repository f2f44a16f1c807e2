// A request target in origin form (RFC 9112, section 3.2.1) taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/message.h"
#include "shared/base/error.h"

namespace egress::server {

struct Target {
  std::string path;              // as sent
  std::vector<NameValue> query;  // percent-decoded, '+' is a space, valid UTF-8 without NUL
};

inline constexpr std::size_t kMaxQueryParameters = 64;

Expected<Target> parse_target(std::string_view text);

}  // namespace egress::server
