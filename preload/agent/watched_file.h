// A small text file whose parsed form follows the file: read again when its identity, size or times change. A file that
// is missing, unreadable or too large parses as empty text.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "shared/base/unique_fd.h"

namespace egress {

inline constexpr std::size_t kMaxWatchedFileBytes = 16u << 20;

template <typename Parsed>
class WatchedFile {
 public:
  using Parse = Parsed (*)(std::string_view text);

  WatchedFile(std::filesystem::path path, Parse parse) : path_(std::move(path)), parse_(parse), parsed_(parse("")) {}

  // One stat when nothing changed.
  const Parsed& get() {
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) now = {};
    if (!is_same(now, seen_)) {
      parsed_ = parse_(read_text());
      seen_ = now;
    }
    return parsed_;
  }

 private:
  static bool is_same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
           a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
  }

  std::string read_text() const {
    const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return {};
    std::string text;
    char block[16 * 1024];
    for (ssize_t size = 0; (size = ::read(fd.get(), block, sizeof block)) > 0;) {
      text.append(block, static_cast<std::size_t>(size));
      if (text.size() > kMaxWatchedFileBytes) return {};
    }
    return text;
  }

  std::filesystem::path path_;
  Parse parse_;
  Parsed parsed_;
  struct stat seen_ {};
};

}  // namespace egress
