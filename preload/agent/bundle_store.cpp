#include "preload/agent/bundle_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

#include "preload/agent/atomic_file.h"
#include "preload/agent/settings.h"
#include "shared/base/limits.h"
#include "shared/bundle/manifest.h"

namespace egress {
namespace {

constexpr std::size_t kMaxEnvelopeBytes = 2 * kMaxManifestBytes + 4096;

}  // namespace

BundleStore::BundleStore(std::filesystem::path directory)
    : layers_(directory / "layers"), manifests_(directory / "manifests") {}

std::filesystem::path BundleStore::layer_path(const Sha256& hash) const { return layers_ / format_sha256(hash); }

std::filesystem::path BundleStore::manifest_path(const BundleName& name) const {
  // No field can hold a newline, so the joined text is unambiguous.
  const bool by_token = !name.token.empty();
  const std::string key = name.server + "\n" + (by_token ? "" : name.namespace_path) + "\n" +
                          (by_token ? "" : name.workload) + "\n" + name.token;
  return manifests_ / (format_sha256(sha256(key)) + ".json");
}

Expected<void> BundleStore::open() {
  for (const auto& directory : {layers_, manifests_}) {
    if (auto made = prepare_directory(directory, 0700, ::geteuid()); !made) return made;
  }
  return prune_layers();
}

Expected<void> BundleStore::prune_layers() const {
  std::set<std::string> mentioned;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(manifests_, error)) {
    if (entry.path().extension() != ".json") {
      std::filesystem::remove(entry.path(), error);
      continue;
    }
    const auto text = read_whole_file(entry.path(), kMaxEnvelopeBytes);
    if (!text) continue;
    const auto envelope = parse_signed_manifest(*text);
    if (!envelope) continue;
    const auto manifest = parse_manifest(envelope->manifest_json);
    if (!manifest) continue;
    for (const LayerRef& layer : manifest->stack) mentioned.insert(format_sha256(layer.hash));
  }
  if (error) return fail(ErrorCode::kUnavailable, "cannot read \"" + manifests_.string() + "\": " + error.message());
  for (const auto& entry : std::filesystem::directory_iterator(layers_, error)) {
    if (!mentioned.contains(entry.path().filename().string())) std::filesystem::remove(entry.path(), error);
  }
  if (error) return fail(ErrorCode::kUnavailable, "cannot read \"" + layers_.string() + "\": " + error.message());
  return {};
}

Expected<void> BundleStore::save_layer(const Sha256& hash, const std::string& bytes) {
  return write_file_atomically(layer_path(hash), bytes, 0600);
}

Expected<std::string> BundleStore::load_layer(const Sha256& hash, std::uint64_t size_bytes) {
  auto bytes = read_whole_file(layer_path(hash), kMaxLayerBytes);
  if (!bytes) return bytes;
  if (bytes->size() != size_bytes || sha256(*bytes) != hash) {
    ::unlink(layer_path(hash).c_str());
    return fail(ErrorCode::kCorrupt, "stored layer " + format_sha256(hash) + " does not have its hash; removed");
  }
  return bytes;
}

Expected<void> BundleStore::save_manifest(const BundleName& name, const std::string& envelope_json) {
  return write_file_atomically(manifest_path(name), envelope_json, 0600);
}

Expected<BundleStore::StoredManifest> BundleStore::load_manifest(const BundleName& name) const {
  const std::filesystem::path path = manifest_path(name);
  auto text = read_whole_file(path, kMaxEnvelopeBytes);
  if (!text) return tl::unexpected(text.error());
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(ErrorCode::kUnavailable, std::strerror(errno));
  return StoredManifest{std::move(*text), status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1'000'000};
}

Expected<void> BundleStore::confirm_manifest(const BundleName& name) {
  const std::filesystem::path path = manifest_path(name);
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return {};
  return fail(ErrorCode::kUnavailable, "cannot touch \"" + path.string() + "\": " + std::strerror(errno));
}

Expected<void> BundleStore::remove_manifest(const BundleName& name) {
  const std::filesystem::path path = manifest_path(name);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail(ErrorCode::kUnavailable, "cannot remove \"" + path.string() + "\": " + std::strerror(errno));
}

}  // namespace egress
