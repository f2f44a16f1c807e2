// Processes that exist only here: pids, start times, parents and sessions as a kernel would give them.
#include "preload/agent/launch_trees.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <utility>

#include "preload/agent/launch_journal.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

constexpr uid_t kUser = 1000;

class FakeProcesses final : public ProcessReader {
 public:
  std::optional<PeerProcess> find(pid_t pid) const override {
    ++looks;
    if (before_look) before_look(pid);
    const auto found = processes_.find(pid);
    return found == processes_.end() ? std::nullopt : std::optional(found->second);
  }

  // In its parent's session unless said otherwise.
  PeerProcess start(pid_t pid, pid_t parent, pid_t session = 0, uid_t uid = kUser) {
    const auto of_parent = processes_.find(parent);
    const pid_t inherited = of_parent == processes_.end() ? 0 : of_parent->second.session;
    return processes_[pid] = {{pid, ++now_}, uid, parent, session == 0 ? inherited : session};
  }
  void end(pid_t pid) {
    processes_.erase(pid);
    for (auto& [child, process] : processes_) {
      if (process.parent == pid) process.parent = 1;
    }
  }

  mutable int looks = 0;
  mutable std::function<void(pid_t)> before_look;

 private:
  std::map<pid_t, PeerProcess> processes_;
  std::uint64_t now_ = 0;
};

class LaunchTreesTest : public ::testing::Test {
 protected:
  LaunchTreesTest() {
    processes.start(1, 0, 1, 0);
    shell = processes.start(50, 1, 50);
    root = processes.start(100, 50);
  }

  Launch launch_of(const PeerProcess& process) const {
    Launch launch{process.key, process.uid, {}};
    launch.fields[static_cast<std::size_t>(HelloField::kNamespace)] = "of/" + std::to_string(process.key.pid);
    return launch;
  }
  void launch(const PeerProcess& process) { ASSERT_TRUE(trees.add(launch_of(process)).has_value()); }

  // The pid of the root that the process descends from; 0: none.
  pid_t root_of(const PeerProcess& process) {
    const auto found = trees.find(process);
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return *found == nullptr ? 0 : (*found)->root.pid;
  }

  FakeProcesses processes;
  LaunchTrees trees{processes};
  PeerProcess shell;
  PeerProcess root;
};

TEST_F(LaunchTreesTest, TheRootAndAllBelowItAreInTheTree) {
  launch(root);
  const auto child = processes.start(101, 100);
  const auto grandchild = processes.start(102, 101);
  EXPECT_EQ(root_of(root), 100);
  EXPECT_EQ(root_of(grandchild), 100);
  EXPECT_EQ(root_of(child), 100);
  EXPECT_EQ(root_of(shell), 0);
  EXPECT_EQ(root_of(processes.start(103, 50)), 0) << "a sibling";
  EXPECT_EQ((*trees.find(child))->hello().field(HelloField::kNamespace), "of/100");
}

TEST_F(LaunchTreesTest, WithoutLaunchesNothingIsLookedAt) {
  EXPECT_EQ(root_of(processes.start(101, 100)), 0);
  EXPECT_EQ(processes.looks, 0);
}

TEST_F(LaunchTreesTest, WhoeverWasFoundOnceKeepsItsChildrenInTheTree) {
  launch(root);
  processes.start(101, 100);
  const auto seen = processes.start(102, 101);
  EXPECT_EQ(root_of(seen), 100);
  processes.end(100);
  processes.end(101);
  EXPECT_EQ(root_of(processes.start(103, 102)), 100) << "its own root and grandparent are gone";
}

TEST_F(LaunchTreesTest, AnIntermediateIsRememberedToo) {
  launch(root);
  processes.start(101, 100);
  EXPECT_EQ(root_of(processes.start(102, 101)), 100);
  processes.end(100);
  EXPECT_EQ(root_of(processes.start(103, 101)), 100);
}

TEST_F(LaunchTreesTest, AnOrphanThatNobodySawIsNotInTheTree) {
  launch(root);
  processes.start(101, 100);
  const auto daemon = processes.start(102, 101);
  processes.end(101);
  EXPECT_EQ(root_of({daemon.key, daemon.uid, 1, daemon.session}), 0);
}

TEST_F(LaunchTreesTest, AnOrphanInTheSessionOfALivingMemberIs) {
  launch(root);
  const auto leader = processes.start(101, 100, 101);
  EXPECT_EQ(root_of(leader), 100);
  processes.start(102, 101);
  processes.start(103, 102);
  processes.end(102);
  const auto orphan = *processes.find(103);
  ASSERT_EQ(orphan.parent, 1);
  EXPECT_EQ(root_of(orphan), 100);
  EXPECT_EQ(root_of(processes.start(104, 103)), 100);
}

TEST_F(LaunchTreesTest, ARootThatLeadsItsSessionKeepsItsDaemons) {
  const auto leader = processes.start(200, 50, 200);
  launch(leader);
  processes.start(201, 200);
  processes.start(202, 201);
  processes.end(201);
  EXPECT_EQ(root_of(*processes.find(202)), 200);
}

TEST_F(LaunchTreesTest, AnotherProcessWithTheLeadersPidIsNotTheLeader) {
  launch(root);
  EXPECT_EQ(root_of(processes.start(101, 100, 101)), 100);
  processes.end(101);
  processes.start(101, 50, 101);  // the pid's next owner, in a session of its own
  processes.start(102, 101);
  processes.start(103, 102);
  processes.end(102);
  EXPECT_EQ(root_of(*processes.find(103)), 0);
}

TEST_F(LaunchTreesTest, AnotherProcessWithTheRootsPidIsNotTheRoot) {
  launch(root);
  processes.end(100);
  EXPECT_EQ(root_of(processes.start(100, 50)), 0);
  EXPECT_EQ(root_of(processes.start(101, 100)), 0);
}

TEST_F(LaunchTreesTest, APidTakenOverDuringTheWalkIsNoParent) {
  launch(root);
  processes.start(60, 50);
  const auto stranger = processes.start(61, 60);
  // Its parent ends after the stranger was looked at; a member of the tree gets the pid.
  bool taken = false;
  processes.before_look = [&](pid_t pid) {
    if (pid != 60 || std::exchange(taken, true)) return;
    processes.end(60);
    processes.start(60, 100);
  };
  EXPECT_EQ(root_of(stranger), 0);
  EXPECT_EQ(processes.find(61)->parent, 1);
}

TEST_F(LaunchTreesTest, AParentYoungerThanItsChildIsNone) {
  launch(root);
  const auto child = processes.start(61, 60);
  processes.start(60, 100);
  EXPECT_EQ(root_of(child), 0);
}

TEST_F(LaunchTreesTest, AProcessThatEndedMeanwhileIsNotPlacedByItsSuccessor) {
  launch(root);
  const auto gone = processes.start(61, 50);
  processes.end(61);
  processes.start(61, 100);
  EXPECT_EQ(root_of(gone), 0);
}

TEST_F(LaunchTreesTest, NobodyLeavesTheTreeByGrowingDeep) {
  launch(root);
  const pid_t last = 100 + 2 * kMaxAncestors;
  for (pid_t pid = 101; pid <= last; ++pid) processes.start(pid, pid - 1);
  const auto refused = trees.find(*processes.find(last));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_LE(processes.looks, 3 * kMaxAncestors);
  EXPECT_EQ(root_of(*processes.find(100 + kMaxAncestors)), 100);
  EXPECT_EQ(root_of(*processes.find(last)), 100) << "found now that its ancestors are known";
}

TEST_F(LaunchTreesTest, AParentThatIsYoungerEndsACircle) {
  launch(root);
  processes.start(61, 62);
  EXPECT_EQ(root_of(processes.start(62, 61)), 0);
}

TEST_F(LaunchTreesTest, APeerFromOutsideOfThePidNamespaceHasNoTree) {
  launch(root);
  EXPECT_EQ(root_of(processes.start(70, 0)), 0);
}

TEST_F(LaunchTreesTest, OnlyRootsTreeGoesOnInOtherUsers) {
  launch(root);
  EXPECT_EQ(root_of(processes.start(101, 100, 0, 0)), 0) << "a user chooses nothing for root's processes";
  EXPECT_EQ(root_of(processes.start(102, 100, 0, 1001)), 0);
  const auto of_root = processes.start(200, 50, 0, 0);
  launch(of_root);
  EXPECT_EQ(root_of(processes.start(201, 200, 0, kUser)), 200);
}

TEST_F(LaunchTreesTest, ATreeLastsAsLongAsAnybodyInIt) {
  launch(root);
  EXPECT_EQ(root_of(processes.start(101, 100)), 100);
  processes.end(100);
  EXPECT_TRUE(trees.forget_ended().empty());
  EXPECT_FALSE(trees.is_empty());
  processes.end(101);
  EXPECT_EQ(trees.forget_ended(), std::vector<ProcessKey>{root.key});
  EXPECT_TRUE(trees.is_empty());
  EXPECT_EQ(trees.size(), 0u);
}

TEST_F(LaunchTreesTest, ARemovedTreeIsNobodys) {
  launch(root);
  const auto child = processes.start(101, 100);
  EXPECT_EQ(root_of(child), 100);
  trees.remove(root.key);
  EXPECT_EQ(root_of(child), 0);
  EXPECT_TRUE(trees.is_empty());
}

TEST_F(LaunchTreesTest, NoUserTakesAllTheRoom) {
  pid_t pid = 1000;
  for (std::size_t i = 0; i < kMaxLaunchesPerUid; ++i) launch(processes.start(pid++, 50));
  const auto refused = trees.add(launch_of(processes.start(pid++, 50)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  launch(processes.start(pid++, 50, 0, 1001));
}

class LaunchJournalTest : public LaunchTreesTest {
 protected:
  std::filesystem::path path() const { return directory.path() / "launches"; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path()), {}));
  }
  std::vector<Launch> load(const std::string& boot_id = "boot") const {
    auto launches = LaunchJournal(path(), boot_id).load(processes);
    EXPECT_TRUE(launches.has_value()) << launches.error().message;
    return *launches;
  }

  TempDirectory directory;
  LaunchJournal journal{path(), "boot"};
};

TEST_F(LaunchJournalTest, GivesBackWhatWasSavedByteForByte) {
  ASSERT_TRUE(load().empty());
  Launch launch = launch_of(root);
  launch.fields[static_cast<std::size_t>(HelloField::kToken)] = "egressw_secret";
  launch.fields[static_cast<std::size_t>(HelloField::kLabels)] = "k=\xff\n";
  ASSERT_TRUE(journal.save(launch).has_value());
  const auto loaded = load();
  ASSERT_EQ(loaded.size(), 1u);
  EXPECT_EQ(loaded[0].root, root.key);
  EXPECT_EQ(loaded[0].uid, kUser);
  EXPECT_EQ(loaded[0].fields, launch.fields);
}

TEST_F(LaunchJournalTest, IsNobodyElsesToRead) {
  ASSERT_TRUE(load().empty());
  ASSERT_TRUE(journal.save(launch_of(root)).has_value());
  const auto none = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
  EXPECT_EQ(std::filesystem::status(path()).permissions() & none, std::filesystem::perms::none);
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    EXPECT_EQ(entry.status().permissions() & none, std::filesystem::perms::none);
  }
}

TEST_F(LaunchJournalTest, ForgetsProcessesThatEndedAndOtherBoots) {
  ASSERT_TRUE(load().empty());
  const auto ended = processes.start(200, 50);
  ASSERT_TRUE(journal.save(launch_of(root)).has_value());
  ASSERT_TRUE(journal.save(launch_of(ended)).has_value());
  processes.end(200);
  processes.start(200, 50);
  EXPECT_EQ(load().size(), 1u);
  EXPECT_EQ(files(), 1u);
  EXPECT_TRUE(load("another boot").empty());
  EXPECT_EQ(files(), 0u);
}

TEST_F(LaunchJournalTest, RemovesOneAndDoesNotMindThatItIsGone) {
  ASSERT_TRUE(load().empty());
  ASSERT_TRUE(journal.save(launch_of(root)).has_value());
  EXPECT_TRUE(journal.remove(root.key).has_value());
  EXPECT_TRUE(journal.remove(root.key).has_value());
  EXPECT_TRUE(load().empty());
}

TEST_F(LaunchJournalTest, IgnoresWhatIsNotALaunch) {
  ASSERT_TRUE(load().empty());
  ASSERT_TRUE(journal.save(launch_of(root)).has_value());
  const auto file = *std::filesystem::directory_iterator(path());
  std::string whole;
  std::getline(std::ifstream(file.path()), whole);
  for (const std::string& text : {std::string("garbage"), std::string("{}"), whole.substr(0, whole.size() / 2),
                                  whole.substr(0, whole.find("\"fields\"")) + "\"fields\":[]}"}) {
    std::ofstream(file.path(), std::ios::trunc) << text;
    EXPECT_TRUE(load().empty()) << text;
    EXPECT_EQ(files(), 0u);
  }
}

}  // namespace
}  // namespace egress
