// One agent a runtime directory: an flock on <runtime>/agent.lock, held for the agent's life. Whoever loses waits until
// the winner's socket accepts and then uses it. The kernel drops the lock with the process, so a stale one cannot
// exist.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"

namespace egress {

// True if somebody listens at `socket_path`.
bool is_accepting(const std::filesystem::path& socket_path);

class InstanceLock {
 public:
  // nullopt if another process holds it.
  static Expected<std::optional<InstanceLock>> try_acquire(const std::filesystem::path& runtime_dir);

  // The lock, or nullopt once the holder's socket accepts. kUnavailable if neither happens within `patience`.
  static Expected<std::optional<InstanceLock>> acquire_or_await_winner(const std::filesystem::path& runtime_dir,
                                                                       const std::filesystem::path& socket_path,
                                                                       std::chrono::milliseconds patience);

 private:
  explicit InstanceLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace egress
