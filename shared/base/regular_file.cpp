#include "shared/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shared/base/unique_fd.h"

namespace egress {

Expected<std::string> read_regular_file(const std::string& path, std::size_t max_bytes, mode_t forbidden_mode) {
  const auto failed = [&](ErrorCode code, const std::string& why) { return fail(code, path + ": " + why); };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    const int error = errno;
    return failed(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                  std::string("cannot be opened: ") + std::strerror(error));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return failed(ErrorCode::kUnavailable, "not a regular file");
  }
  if ((status.st_mode & forbidden_mode) != 0) {
    return failed(ErrorCode::kUntrusted,
                  "others may read it: run chmod 600 on it, and replace what is in it if they did");
  }
  std::string text(max_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(ErrorCode::kUnavailable, std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > max_bytes) return failed(ErrorCode::kTooLarge, "larger than " + std::to_string(max_bytes) + " bytes");
  text.resize(size);
  return text;
}

}  // namespace egress
