// What survives the agent on disk: layers by hash and one signed manifest a (server, token),
// or without a token a (server, namespace, workload).
// Nothing read back is believed: layers must have their hash, manifests are verified like fresh ones by the caller.
//   <state>/layers/<sha256>   <state>/manifests/<sha256 of the key>.json
#pragma once

#include <filesystem>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/bundle/digest.h"

namespace egress {

// Which bundle. With a token it is the token's alone, whatever else a session claims: one refusal then forgets it.
struct BundleName {
  std::string server;  // ServerUrl::text()
  std::string namespace_path;
  std::string workload;
  std::string token;
};

class BundleStore {
 public:
  explicit BundleStore(std::filesystem::path directory);

  // Creates the directories (mode 0700) and removes layers that no manifest here mentions, and temporary files. Once,
  // before anything else.
  Expected<void> open();

  Expected<void> save_layer(const Sha256& hash, const std::string& bytes);
  // kNotFound, or kCorrupt if the bytes are not what the name says; a corrupt file is removed.
  Expected<std::string> load_layer(const Sha256& hash, std::uint64_t size_bytes);

  Expected<void> save_manifest(const BundleName& name, const std::string& envelope_json);
  struct StoredManifest {
    std::string envelope_json;
    UnixMillis confirmed_ms = 0;  // when the server last said that it is current
  };
  Expected<StoredManifest> load_manifest(const BundleName& name) const;
  // The server said so just now.
  Expected<void> confirm_manifest(const BundleName& name);
  Expected<void> remove_manifest(const BundleName& name);

 private:
  std::filesystem::path layer_path(const Sha256& hash) const;
  std::filesystem::path manifest_path(const BundleName& name) const;
  Expected<void> prune_layers() const;

  std::filesystem::path layers_;
  std::filesystem::path manifests_;
};

}  // namespace egress
