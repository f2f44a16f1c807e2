// Who is at the other end of the agent's socket, as the kernel says it: never what the peer claims. A process is its
// pid *and* start time; the pidfd is what its end is noticed by.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"

namespace egress {

struct ProcessKey {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, /proc/PID/stat field 22
  friend auto operator<=>(const ProcessKey&, const ProcessKey&) = default;
};

struct PeerProcess {
  ProcessKey key;
  uid_t uid = 0;
  pid_t parent = 0;   // 0: outside of this pid namespace
  pid_t session = 0;  // its leader's pid, as of setsid(2)
};

// kUnavailable if the process is gone or lives in a pid namespace that is not visible from here. Since Linux 6.5 the
// kernel shows that the process which connected still lives, so that its pid cannot be another's by now.
Expected<PeerProcess> find_peer(int socket);

// nullopt if there is no such process.
std::optional<PeerProcess> find_process(pid_t pid);

// The processes of the machine, for whoever walks among them.
class ProcessReader {
 public:
  virtual ~ProcessReader() = default;
  virtual std::optional<PeerProcess> find(pid_t pid) const = 0;
};
class SystemProcesses final : public ProcessReader {
 public:
  std::optional<PeerProcess> find(pid_t pid) const override { return find_process(pid); }
};

// Empty if the process is gone or may not be inspected.
std::string read_executable(pid_t pid);

Expected<UniqueFd> open_pidfd(pid_t pid);

}  // namespace egress
