#include "server/startup/durable_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "server/startup/system_failure.h"
#include "shared/base/unique_fd.h"

namespace egress::server {

bool file_exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

Expected<void> create_private_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file) return {};
  if (errno == EEXIST) return fail(ErrorCode::kConflict, path + " exists already");
  return system_failure("cannot create " + path);
}

Expected<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_failure("cannot rename " + from + " to " + to);
  return {};
}

Expected<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure("cannot remove " + path);
  return {};
}

Expected<void> flush_directory(const std::string& path) {
  const UniqueFd directory(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return system_failure("cannot flush the directory " + path);
  return {};
}

}  // namespace egress::server
