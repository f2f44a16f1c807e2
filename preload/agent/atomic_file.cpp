#include "preload/agent/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "shared/base/unique_fd.h"

namespace egress {
namespace {

tl::unexpected<Error> file_error(const char* what, const std::filesystem::path& path, int error) {
  return fail(ErrorCode::kUnavailable, std::string(what) + " \"" + path.string() + "\": " + std::strerror(error));
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Expected<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  std::string temporary = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return file_error("cannot create", temporary, errno);
  const bool written = ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), bytes) && ::fsync(fd.get()) == 0;
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return file_error("cannot write", path, error);
  }
  const UniqueFd directory(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return file_error("cannot flush directory of", path, errno);
  return {};
}

Expected<std::string> read_whole_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return fail(ErrorCode::kNotFound, "no file \"" + path.string() + "\"");
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return file_error("cannot open", path, errno);
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kUnavailable, "\"" + path.string() + "\" is not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) {
    return fail(ErrorCode::kTooLarge,
                "file \"" + path.string() + "\" is larger than " + std::to_string(max_bytes) + " bytes");
  }
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t size = ::read(fd.get(), bytes.data() + have, bytes.size() - have);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return file_error("cannot read", path, errno);
    if (size == 0) break;
    have += static_cast<std::size_t>(size);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace egress
