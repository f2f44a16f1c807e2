// Who runs under which `egress exec` (policy.md section 7): the processes that said so before they became their
// command, the roots, and whatever descends from them. Found by the kernel's word alone: pid with start time, parents,
// sessions (setsid). Whoever was found once is remembered, so that its children are found when it was orphaned
// meanwhile. Blocks on /proc only. Runs on the agent's main thread.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/process_identity.h"
#include "shared/base/error.h"
#include "shared/session/protocol.h"

namespace egress {

inline constexpr std::size_t kMaxLaunches = 2048;
inline constexpr std::size_t kMaxLaunchesPerUid = 1024;
inline constexpr std::size_t kMaxTreeMembers = 32'768;
inline constexpr int kMaxAncestors = 256;

// What a launcher said of the command that it was to become.
struct Launch {
  ProcessKey root;
  uid_t uid = 0;
  std::array<std::string, kHelloFieldCount> fields;

  // The hello that every process of the tree says, whatever its environment holds.
  Request hello() const;
};

class LaunchTrees {
 public:
  // `processes` outlives it.
  explicit LaunchTrees(const ProcessReader& processes) : processes_(processes) {}

  // The launch that the process descends from; nullptr if there is none, or if it is another user's: only root's tree
  // goes on in processes of other users, for nobody may choose for a process that has more rights.
  // kTooLarge for a process with more ancestors than are looked at: a tree is not left by growing deep.
  Expected<const Launch*> find(const PeerProcess& peer);

  // A new tree. The caller has looked whether its root is in one already. kTooLarge past the limits.
  Expected<void> add(Launch launch);
  void remove(const ProcessKey& root);

  // Forgets processes that are gone. The roots of trees that have none left.
  std::vector<ProcessKey> forget_ended();

  bool is_empty() const { return members_.empty(); }
  std::size_t size() const { return trees_.size(); }

 private:
  using Tree = std::shared_ptr<const Launch>;

  std::optional<PeerProcess> find_parent(PeerProcess child) const;
  Tree find_by_session(const PeerProcess& process) const;
  Tree find_member(const ProcessKey& key) const;

  const ProcessReader& processes_;
  std::map<ProcessKey, Tree> trees_;    // by root
  std::map<ProcessKey, Tree> members_;  // roots included
};

}  // namespace egress
