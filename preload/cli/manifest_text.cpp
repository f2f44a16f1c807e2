#include "preload/cli/manifest_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shared/base/unique_fd.h"

namespace egress {

Expected<ManifestText> load_manifest_text(const std::string& path, std::size_t max_bytes) {
  const bool from_stdin = path == "-";
  ManifestText manifest{from_stdin ? "<stdin>" : path, {}};
  const UniqueFd file(from_stdin ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from_stdin && !file) return fail(ErrorCode::kUnavailable, path + ": cannot be read: " + std::strerror(errno));
  const int fd = from_stdin ? STDIN_FILENO : file.get();
  char block[64 * 1024];
  while (true) {
    const ssize_t size = ::read(fd, block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(ErrorCode::kUnavailable, manifest.name + ": cannot be read: " + std::strerror(errno));
    if (size == 0) return manifest;
    manifest.text.append(block, static_cast<std::size_t>(size));
    if (manifest.text.size() > max_bytes) {
      return fail(ErrorCode::kTooLarge,
                  manifest.name + ": is larger than the limit of " + std::to_string(max_bytes >> 20) + " MiB");
    }
  }
}

std::string render_problems(const std::vector<Problem>& problems, const ManifestText& manifest) {
  std::string text;
  for (const Problem& problem : problems) text += render_problem(problem, manifest.name, manifest.text);
  return text;
}

std::string render_warnings(const std::vector<Problem>& warnings, const ManifestText& manifest) {
  std::vector<Problem> marked = warnings;
  for (Problem& warning : marked) warning.message = "warning: " + warning.message;
  return render_problems(marked, manifest);
}

}  // namespace egress
