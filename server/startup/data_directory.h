// The server's directory: database, signing key, the URL it is reached at, and a lock that keeps a second server out.
// Files appear whole or not at all, and survive power loss once written.
#pragma once

#include <string>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/bundle/signature.h"

namespace egress::server {

class DataDirectory {
 public:
  // Creates the directory (mode 0700) if it is missing. kConflict if another server holds it.
  static Expected<DataDirectory> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string database_path() const { return path_ + "/egress.db"; }

  // Reads signing.key, or makes it at the first start (mode 0600). kUntrusted if others may read it, kCorrupt if it is
  // not an Ed25519 key.
  Expected<SigningKey> load_signing_key() const;

  // `text` and a newline as the file "address"; and its removal when the server stops.
  Expected<void> write_address(const std::string& text) const;
  void remove_address() const;

 private:
  DataDirectory(std::string path, UniqueFd directory, UniqueFd lock)
      : path_(std::move(path)), directory_(std::move(directory)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd directory_;
  UniqueFd lock_;
};

}  // namespace egress::server
