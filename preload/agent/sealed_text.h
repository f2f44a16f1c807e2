// Text that crosses the agent's socket as a sealed memfd: too large for a message, and whoever reads it knows that
// nobody can change, shorten or block it meanwhile.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"

namespace egress {

// `name` shows in /proc alone. kUnavailable if the kernel gives none.
Expected<UniqueFd> make_sealed_text(const char* name, std::string_view text);

// Hostile: the descriptor may be anything. kInvalidArgument if it is no memfd that is sealed against writing and
// resizing, kTooLarge past `max_bytes`.
Expected<std::string> read_sealed_text(int fd, std::size_t max_bytes);

}  // namespace egress
