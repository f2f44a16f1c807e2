// The processes that said hello, their ends, and their event rings: drained every 100 ms while there are any, when a
// process ends, and whenever a caller says so (before a policy change). Rings outlive their process while its forked
// children can still write them. Runs on the agent's main thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/process_identity.h"
#include "preload/agent/session.h"
#include "shared/base/clock.h"
#include "shared/session/ring_reader.h"

namespace egress {

inline constexpr std::size_t kMaxProcesses = 16'384;
inline constexpr std::size_t kMaxProcessesPerUid = 8'192;
inline constexpr std::size_t kMaxRingsPerProcess = 8;

struct Process {
  PeerProcess peer;
  std::shared_ptr<Session> session;
  EventSource source;
};

class ProcessTable {
 public:
  ProcessTable(boost::asio::any_io_executor executor, const Clock& clock);

  // The process that a request came from: itself, or the nearest ancestor of the same user that said hello (a forked
  // child shares its parent's arena and ring). nullptr if there is none: it must say hello. O(depth) in /proc reads.
  const Process* find(const PeerProcess& peer) const;

  // A hello: (re-)assigns the process to `session` and takes over the reading side of its new ring. kTooLarge past the
  // limits.
  Expected<void> add(const PeerProcess& peer, std::shared_ptr<Session> session, UniqueFd ring);

  void drain(const Session& session);
  void drain_all();

  // Live processes, or rings that somebody may still write.
  bool is_used(const Session& session) const;
  bool is_empty() const { return processes_.empty() && rings_.empty(); }
  std::vector<const Process*> processes_of(const Session& session) const;

  void stop();

 private:
  struct Entry {
    Process process;
    std::unique_ptr<boost::asio::posix::stream_descriptor> pidfd;
  };
  struct Ring {
    RingReader reader;
    std::shared_ptr<Session> session;
    EventSource source;
    ProcessKey owner;
    bool owner_ended = false;
    std::uint64_t dropped_reported = 0;
  };

  void drain(Ring& ring);
  // True once nobody can write it any more and all of it was read.
  bool finish(Ring& ring);
  void finish_rings(const ProcessKey& owner, std::size_t keep);
  void on_exit(ProcessKey key);
  void schedule();
  void tick();

  const Clock& clock_;
  boost::asio::steady_timer timer_;
  bool scheduled_ = false;
  bool stopped_ = false;
  std::map<ProcessKey, Entry> processes_;
  std::map<uid_t, std::size_t> count_by_uid_;
  std::list<Ring> rings_;
};

}  // namespace egress
