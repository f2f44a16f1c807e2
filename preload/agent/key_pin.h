// Trust on first use: the bundle key seen first for a server URL is pinned in the state directory; another one is
// refused until a person removes the pin. Safe from several threads of one agent, which is alone in its directory.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "shared/base/error.h"
#include "shared/bundle/signature.h"

namespace egress {

class KeyPin {
 public:
  explicit KeyPin(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // The key of `server` (ServerUrl::text()); nullopt if none was seen yet. kCorrupt if the pin cannot be read: nothing
  // is trusted then.
  Expected<std::optional<PublicKey>> find(const std::string& server) const;

  // Pins `key` if it is the first. kUntrusted if another one is pinned; the message names both and the file.
  Expected<void> accept(const std::string& server, const PublicKey& key);

 private:
  std::filesystem::path path_of(const std::string& server) const;
  Expected<std::optional<PublicKey>> find_locked(const std::string& server) const;

  std::filesystem::path directory_;
  mutable std::mutex mutex_;
};

}  // namespace egress
