#include "preload/library/agent_program.h"

#include <errno.h>
#include <fcntl.h>

#include <cstdint>
#include <cstring>

#include "preload/library/agent_socket.h"
#include "preload/library/environment.h"
#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

// The file of one line of maps ("begin-end perms offset dev inode path") if the line's range holds `address`.
const char* find_file_of(const char* line, std::uintptr_t address) noexcept {
  const auto parse_hex = [&line]() noexcept {
    std::uintptr_t value = 0;
    for (;; ++line) {
      const char c = *line;
      if (c >= '0' && c <= '9') {
        value = value << 4 | static_cast<std::uintptr_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value << 4 | static_cast<std::uintptr_t>(c - 'a' + 10);
      } else {
        return value;
      }
    }
  };
  const std::uintptr_t begin = parse_hex();
  if (*line++ != '-') return nullptr;
  const std::uintptr_t end = parse_hex();
  return address >= begin && address < end ? std::strchr(line, '/') : nullptr;
}

// Reads maps through a window that always starts at a line's beginning.
bool find_own_file(TextLine& path, char (&window)[kMaxProgramPathBytes + 512]) noexcept {
  const RawFd maps(static_cast<int>(raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC)));
  if (maps.get() < 0) return false;
  const auto here = reinterpret_cast<std::uintptr_t>(&find_own_file);
  std::size_t held = 0;
  for (;;) {
    const long got = raw_syscall(SYS_read, maps.get(), window + held, sizeof window - 1 - held);
    if (got == -EINTR) continue;
    if (got <= 0) return false;
    held += static_cast<std::size_t>(got);
    window[held] = '\0';
    char* line = window;
    for (char* end = std::strchr(line, '\n'); end != nullptr; line = end + 1, end = std::strchr(line, '\n')) {
      *end = '\0';
      if (const char* file = find_file_of(line, here)) {
        path.add(file);
        return true;
      }
    }
    held -= static_cast<std::size_t>(line - window);
    std::memmove(window, line, held);
    if (held >= sizeof window - 1) return false;
  }
}

}  // namespace

bool find_agent_program(char** variables, TextLine& path, char (&scratch)[kMaxProgramPathBytes + 512],
                        TextLine& why) noexcept {
  path.clear();
  why.clear();
  if (const char* named = find_variable(variables, "EGRESS_AGENT"); named != nullptr && *named != '\0') {
    path.add(named);
    return true;
  }
  if (!find_own_file(path, scratch)) {
    why.add("cannot find the agent's program (/proc/self/maps does not tell where this library is); set EGRESS_AGENT");
    return false;
  }
  const char* slash = std::strrchr(path.text(), '/');
  path.cut(static_cast<std::size_t>(slash - path.text()) + 1);
  path.add("../bin/egress");
  return true;
}

}  // namespace egress
