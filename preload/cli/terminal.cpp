#include "preload/cli/terminal.h"

#include <unistd.h>

#include <cstdlib>

namespace egress {

bool wants_colour(int fd) { return ::isatty(fd) == 1 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace egress
