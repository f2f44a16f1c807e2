#include "preload/agent/launch_trees.h"

#include <algorithm>
#include <set>
#include <utility>

namespace egress {
namespace {

constexpr int kMaxReparentings = 4;  // between two looks at one process

}  // namespace

Request Launch::hello() const {
  Request request;
  request.kind = RequestKind::kHello;
  for (std::size_t i = 0; i < fields.size(); ++i) request.fields[i] = fields[i];
  return request;
}

LaunchTrees::Tree LaunchTrees::find_member(const ProcessKey& key) const {
  const auto found = members_.find(key);
  return found == members_.end() ? nullptr : found->second;
}

// A pid is not given to another process while somebody's parent has it. So what was read of the parent is the parent's
// if it still was the parent afterwards.
std::optional<PeerProcess> LaunchTrees::find_parent(PeerProcess child) const {
  for (int i = 0; i < kMaxReparentings && child.parent > 0; ++i) {
    const auto parent = processes_.find(child.parent);
    const auto again = processes_.find(child.key.pid);
    if (!again || again->key != child.key) return std::nullopt;
    const bool is_parent = parent && again->parent == child.parent;
    if (is_parent && parent->key.start_time <= child.key.start_time) return parent;
    if (is_parent) return std::nullopt;
    child = *again;
  }
  return std::nullopt;
}

// An orphan keeps its session (setsid(2)), which only descendants of its leader are in, and whose id no other process
// gets meanwhile. A process group would not do: processes join those at will.
LaunchTrees::Tree LaunchTrees::find_by_session(const PeerProcess& process) const {
  if (process.session <= 0 || process.session == process.key.pid) return nullptr;
  const auto leader = processes_.find(process.session);
  if (!leader || leader->session != leader->key.pid) return nullptr;
  const auto again = processes_.find(process.key.pid);
  if (!again || again->key != process.key || again->session != process.session) return nullptr;
  return find_member(leader->key);
}

Expected<const Launch*> LaunchTrees::find(const PeerProcess& peer) {
  if (members_.empty()) return nullptr;
  std::vector<ProcessKey> path;
  Tree tree;
  std::optional<PeerProcess> at = peer;
  for (int depth = 0; at; ++depth) {
    if (depth > kMaxAncestors) {
      return fail(ErrorCode::kTooLarge, "process " + std::to_string(peer.key.pid) + " has more than " +
                                            std::to_string(kMaxAncestors) + " ancestors");
    }
    tree = find_member(at->key);
    if (tree != nullptr) break;
    path.push_back(at->key);
    at = find_parent(*at);
  }
  if (tree == nullptr) {
    tree = find_by_session(peer);
    path = {peer.key};  // its parents led elsewhere
  }
  if (tree == nullptr || (tree->uid != peer.uid && tree->uid != 0)) return nullptr;
  for (const ProcessKey& key : path) {
    if (members_.size() < kMaxTreeMembers) members_.emplace(key, tree);
  }
  return tree.get();
}

Expected<void> LaunchTrees::add(Launch launch) {
  const auto of_uid =
      std::count_if(trees_.begin(), trees_.end(), [&](const auto& tree) { return tree.second->uid == launch.uid; });
  if (trees_.size() >= kMaxLaunches || static_cast<std::size_t>(of_uid) >= kMaxLaunchesPerUid ||
      members_.size() >= kMaxTreeMembers) {
    return fail(ErrorCode::kTooLarge, "the agent knows as many commands as it can (" +
                                          std::to_string(kMaxLaunchesPerUid) + " a user): end some");
  }
  const auto tree = std::make_shared<const Launch>(std::move(launch));
  trees_[tree->root] = tree;
  members_[tree->root] = tree;
  return {};
}

void LaunchTrees::remove(const ProcessKey& root) {
  const auto tree = trees_.find(root);
  if (tree == trees_.end()) return;
  std::erase_if(members_, [&](const auto& member) { return member.second == tree->second; });
  trees_.erase(tree);
}

std::vector<ProcessKey> LaunchTrees::forget_ended() {
  std::erase_if(members_, [&](const auto& member) {
    const auto now = processes_.find(member.first.pid);
    return !now || now->key != member.first;
  });
  std::set<ProcessKey> alive;
  for (const auto& [key, tree] : members_) alive.insert(tree->root);
  std::vector<ProcessKey> ended;
  std::erase_if(trees_, [&](const auto& tree) {
    if (alive.contains(tree.first)) return false;
    ended.push_back(tree.first);
    return true;
  });
  return ended;
}

}  // namespace egress
