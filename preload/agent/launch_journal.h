// The launches of <runtime dir>/launches on disk, one file each, so that an agent that was killed finds the trees of
// the next one's hellos again: a command's environment need not hold its token then, and changing it changes nothing.
// Blocks on the disk: runs on the agent's pool, but for load() at start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "preload/agent/launch_trees.h"
#include "preload/agent/process_identity.h"
#include "shared/base/error.h"

namespace egress {

class LaunchJournal {
 public:
  // `boot_id`: of this boot of the machine, for start times are counted from it.
  LaunchJournal(std::filesystem::path directory, std::string boot_id)
      : directory_(std::move(directory)), boot_id_(std::move(boot_id)) {}

  // Makes the directory (mode 0700) and reads what is there. Removes what is not of a process that still lives.
  Expected<std::vector<Launch>> load(const ProcessReader& processes) const;

  Expected<void> save(const Launch& launch) const;
  Expected<void> remove(const ProcessKey& root) const;

 private:
  std::filesystem::path path_of(const ProcessKey& root) const;

  std::filesystem::path directory_;
  std::string boot_id_;
};

// Empty if the kernel does not say.
std::string read_boot_id();

}  // namespace egress
