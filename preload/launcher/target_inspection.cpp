#include "preload/launcher/target_inspection.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shared/base/unique_fd.h"

namespace egress {
namespace {

constexpr int kMaxInterpreters = 4;  // the kernel's own limit on scripts of scripts
constexpr std::size_t kMaxProgramHeaders = 1024;

std::string interpreter_of(std::string_view first_bytes) {
  if (!first_bytes.starts_with("#!")) return {};
  first_bytes.remove_prefix(2);
  const std::size_t begin = first_bytes.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  first_bytes.remove_prefix(begin);
  return std::string(first_bytes.substr(0, first_bytes.find_first_of(" \t\n")));
}

// A static-pie has no PT_INTERP either: no loader runs, so nothing is preloaded.
bool has_loader(int fd, const Elf64_Ehdr& header) {
  const std::size_t count = std::min<std::size_t>(header.e_phnum, kMaxProgramHeaders);
  for (std::size_t i = 0; i < count; ++i) {
    Elf64_Phdr segment;
    const auto offset = static_cast<off_t>(header.e_phoff + i * sizeof segment);
    if (::pread(fd, &segment, sizeof segment, offset) != static_cast<ssize_t>(sizeof segment)) return true;
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> inspect_target(const std::filesystem::path& program) {
  std::vector<std::string> reasons;
  std::string path = program.string();
  for (int depth = 0; depth <= kMaxInterpreters && !path.empty(); ++depth) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return reasons;
    if ((status.st_mode & (S_ISUID | S_ISGID)) != 0) {
      reasons.push_back(path + " is setuid or setgid: the loader ignores LD_PRELOAD, its connections are not judged");
    } else if (::fgetxattr(fd.get(), "security.capability", nullptr, 0) > 0) {
      reasons.push_back(path + " has file capabilities: the loader ignores LD_PRELOAD, its connections are not judged");
    }
    std::array<char, 256> first{};
    const ssize_t size = ::pread(fd.get(), first.data(), first.size(), 0);
    if (size < 4) return reasons;
    const std::string_view bytes(first.data(), static_cast<std::size_t>(size));
    path = interpreter_of(bytes);
    if (!path.empty() || !bytes.starts_with(ELFMAG)) continue;
    Elf64_Ehdr header{};
    if (bytes.size() < sizeof header) return reasons;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64) {
      reasons.push_back(program.string() + " is not a 64-bit program: the library cannot be loaded into it");
    } else if (!has_loader(fd.get(), header)) {
      reasons.push_back(program.string() +
                        " is statically linked: nothing is preloaded into it, its connections are not judged");
    }
  }
  return reasons;
}

}  // namespace egress
