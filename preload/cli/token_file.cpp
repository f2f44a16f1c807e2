#include "preload/cli/token_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "shared/base/ascii.h"

namespace egress {

Expected<std::string> load_token_file(const std::string& path) {
  const auto refuse = [&](int error) {
    return fail(ErrorCode::kUnavailable, "the token file " + path + " cannot be read: " + std::strerror(error));
  };
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return refuse(errno);
  std::string token(kMaxTokenBytes + 3, '\0');  // with a line end, and one byte that says it is too long
  errno = 0;
  stream.read(token.data(), static_cast<std::streamsize>(token.size()));
  if (stream.bad()) return refuse(errno);
  token.resize(static_cast<std::size_t>(stream.gcount()));
  if (token.ends_with('\n')) token.pop_back();
  if (token.ends_with('\r')) token.pop_back();
  if (auto sound = check_token(token, path); !sound) return tl::unexpected(sound.error());
  return token;
}

Expected<void> check_token(const std::string& token, const std::string& source) {
  if (!token.empty() && token.size() <= kMaxTokenBytes && is_visible_ascii(token)) return {};
  return fail(ErrorCode::kInvalidArgument, source + " holds no token: expected one line, as the server gave it");
}

}  // namespace egress
