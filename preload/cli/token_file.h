// A token in a file, for --token-file: it must not stand on a command line, where every user of the machine reads it.
#pragma once

#include <cstddef>
#include <string>

#include "shared/base/error.h"

namespace egress {

inline constexpr std::size_t kMaxTokenBytes = 256;

// The file's one line; a symbolic link or a pipe will do, as secrets come in containers and from password managers.
// kUnavailable if it cannot be read, else as check_token().
Expected<std::string> load_token_file(const std::string& path);

// kInvalidArgument, naming `source`, if the token is empty, longer than the limit or anything but visible ASCII.
Expected<void> check_token(const std::string& token, const std::string& source);

}  // namespace egress
