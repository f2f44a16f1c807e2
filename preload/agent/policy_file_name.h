// How a registered policy file is named where a server's URL would stand (EGRESS_SERVER): "file:<sha256>", and with
// ":shadow" after it if what it denies is only to be recorded.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/bundle/digest.h"

namespace egress {

struct PolicyFileName {
  Sha256 digest{};  // of the file's text
  bool shadow = false;

  std::string text() const;
};

// Whether `server` is meant to be one, well-formed or not.
bool is_policy_file_name(std::string_view server);

Expected<PolicyFileName> parse_policy_file_name(std::string_view text);

}  // namespace egress
