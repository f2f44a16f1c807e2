#include "preload/agent/key_pin.h"

#include "preload/agent/atomic_file.h"
#include "shared/bundle/digest.h"

namespace egress {
namespace {

constexpr std::size_t kMaxPinBytes = 4096;

}  // namespace

std::filesystem::path KeyPin::path_of(const std::string& server) const {
  return directory_ / (format_sha256(sha256(server)) + ".pin");
}

Expected<std::optional<PublicKey>> KeyPin::find_locked(const std::string& server) const {
  const std::filesystem::path path = path_of(server);
  auto text = read_whole_file(path, kMaxPinBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<PublicKey>();
  if (!text) return tl::unexpected(text.error());
  // "<server>\n<base64 key>\n": the URL is for the person who reads the directory.
  const std::size_t newline = text->find('\n');
  std::string_view line =
      newline == std::string::npos ? std::string_view() : std::string_view(*text).substr(newline + 1);
  if (line.ends_with('\n')) line.remove_suffix(1);
  const auto key = parse_public_key(line);
  if (!key || text->substr(0, newline) != server) {
    return fail(ErrorCode::kCorrupt, "the pinned key of " + server + " in \"" + path.string() +
                                         "\" is not readable: remove the file to trust the server's key anew");
  }
  return std::optional(*key);
}

Expected<std::optional<PublicKey>> KeyPin::find(const std::string& server) const {
  const std::lock_guard lock(mutex_);
  return find_locked(server);
}

Expected<void> KeyPin::accept(const std::string& server, const PublicKey& key) {
  const std::lock_guard lock(mutex_);
  const auto pinned = find_locked(server);
  if (!pinned) return tl::unexpected(pinned.error());
  if (!pinned->has_value()) {
    return write_file_atomically(path_of(server), server + "\n" + format_public_key(key) + "\n", 0600);
  }
  if (**pinned == key) return {};
  return fail(ErrorCode::kUntrusted, "bundle of " + server + " is signed by key " + key_id(key) + ", but key " +
                                         key_id(**pinned) + " is pinned in \"" + path_of(server).string() +
                                         "\": if the server's key was replaced on purpose, remove that file");
}

}  // namespace egress
