#include "preload/cli/token_file.h"

#include <algorithm>

#include "preload/agent/atomic_file.h"

namespace egress {

Expected<std::string> load_token_file(const std::string& path) {
  auto text = read_whole_file(path, kMaxTokenBytes);
  if (!text) return tl::unexpected(text.error());
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  const bool visible = std::all_of(text->begin(), text->end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text->empty() || !visible) {
    return fail(ErrorCode::kInvalidArgument, path + ": expected one line with a token, as the server gave it");
  }
  return text;
}

}  // namespace egress
