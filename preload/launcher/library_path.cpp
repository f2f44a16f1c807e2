#include "preload/launcher/library_path.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace egress {

Expected<std::filesystem::path> find_library(const Environment& environment,
                                             const std::filesystem::path& program_directory) {
  const auto chosen = environment("EGRESS_LIBRARY");
  std::error_code error;
  const std::filesystem::path wanted =
      chosen ? std::filesystem::path(*chosen) : program_directory / ".." / "lib" / "libegress.so";
  const auto path = std::filesystem::canonical(wanted, error);
  if (error) {
    return fail(ErrorCode::kNotFound, "the library \"" + wanted.lexically_normal().string() + "\" cannot be used: " +
                                          error.message() + "; set EGRESS_LIBRARY to libegress.so");
  }
  if (::access(path.c_str(), R_OK) != 0) {
    return fail(ErrorCode::kUnavailable,
                "the library \"" + path.string() + "\" cannot be read: " + std::strerror(errno));
  }
  if (path.native().find_first_of(": \t\n") != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "the library's path \"" + path.string() + "\" holds a blank or a colon, which LD_PRELOAD cannot carry");
  }
  return path;
}

}  // namespace egress
