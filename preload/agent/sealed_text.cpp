#include "preload/agent/sealed_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace egress {
namespace {

constexpr int kContentSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

}  // namespace

Expected<UniqueFd> make_sealed_text(const char* name, std::string_view text) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  std::string_view rest = text;
  while (fd && !rest.empty()) {
    const ssize_t written = ::write(fd.get(), rest.data(), rest.size());
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (!fd || !rest.empty() || ::fcntl(fd.get(), F_ADD_SEALS, kContentSeals | F_SEAL_SEAL) != 0) {
    return fail(ErrorCode::kUnavailable, std::string("cannot make a memory file: ") + std::strerror(errno));
  }
  return fd;
}

Expected<std::string> read_sealed_text(int fd, std::size_t max_bytes) {
  // First of all: only memory files have seals, and they never block.
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kContentSeals) != kContentSeals) {
    return fail(ErrorCode::kInvalidArgument, "expected a memory file that is sealed against writing and resizing");
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return fail(ErrorCode::kUnavailable, std::string("cannot read a memory file: ") + std::strerror(errno));
  }
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) {
    return fail(ErrorCode::kTooLarge, "the text has " + std::to_string(status.st_size) + " bytes, at most " +
                                          std::to_string(max_bytes) + " are taken");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t size = ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return fail(ErrorCode::kUnavailable, "a memory file cannot be read to its end");
    done += static_cast<std::size_t>(size);
  }
  return text;
}

}  // namespace egress
