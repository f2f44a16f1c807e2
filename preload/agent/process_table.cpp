#include "preload/agent/process_table.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace asio = boost::asio;

namespace egress {
namespace {

constexpr auto kDrainInterval = std::chrono::milliseconds(100);
constexpr int kMaxAncestors = 64;

}  // namespace

ProcessTable::ProcessTable(asio::any_io_executor executor, const Clock& clock) : clock_(clock), timer_(executor) {}

const Process* ProcessTable::find(const PeerProcess& peer) const {
  std::optional<PeerProcess> at = peer;
  for (int depth = 0; at && depth < kMaxAncestors; ++depth) {
    if (at->uid != peer.uid) return nullptr;
    const auto found = processes_.find(at->key);
    if (found != processes_.end()) {
      return found->second.process.peer.uid == peer.uid ? &found->second.process : nullptr;
    }
    if (at->parent <= 1) return nullptr;
    at = find_process(at->parent);
  }
  return nullptr;
}

Expected<void> ProcessTable::add(const PeerProcess& peer, std::shared_ptr<Session> session, UniqueFd ring) {
  const auto known = processes_.find(peer.key);
  if (known == processes_.end()) {
    if (processes_.size() >= kMaxProcesses || count_by_uid_[peer.uid] >= kMaxProcessesPerUid) {
      return fail(ErrorCode::kTooLarge, "the agent serves as many processes as it can (" +
                                            std::to_string(kMaxProcessesPerUid) + " a user): end some");
    }
    auto pidfd = open_pidfd(peer.key.pid);
    if (!pidfd) return tl::unexpected(pidfd.error());
    // The pidfd is this process's only if the pid was not recycled before it was opened.
    const auto again = find_process(peer.key.pid);
    if (!again || again->key != peer.key) {
      return fail(ErrorCode::kUnavailable, "process " + std::to_string(peer.key.pid) + " is gone");
    }
    Entry entry;
    entry.pidfd = std::make_unique<asio::posix::stream_descriptor>(timer_.get_executor(), pidfd->get());
    pidfd->release();
    entry.pidfd->async_wait(asio::posix::stream_descriptor::wait_read,
                            [this, key = peer.key](const boost::system::error_code& error) {
                              if (!error) on_exit(key);
                            });
    processes_.emplace(peer.key, std::move(entry));
    ++count_by_uid_[peer.uid];
  } else {
    if (known->second.process.peer.uid != peer.uid) {
      --count_by_uid_[known->second.process.peer.uid];
      ++count_by_uid_[peer.uid];
    }
    // A new image after execve, or a thread that lost the race for the first hello: its older rings may be done.
    finish_rings(peer.key, kMaxRingsPerProcess / 2);
  }
  const auto rings = std::count_if(rings_.begin(), rings_.end(), [&](const Ring& r) { return r.owner == peer.key; });
  if (static_cast<std::size_t>(rings) >= kMaxRingsPerProcess) {
    return fail(ErrorCode::kTooLarge, "process " + std::to_string(peer.key.pid) + " says hello too often");
  }
  Process& process = processes_.at(peer.key).process;
  process = {peer, session, {peer.key.pid, read_executable(peer.key.pid), clock_.now_ms()}};
  rings_.push_back(Ring{RingReader(std::move(ring)), std::move(session), process.source, peer.key, false, 0});
  schedule();
  return {};
}

void ProcessTable::drain(Ring& ring) {
  ring.reader.drain(clock_.now_ms(), [&](const RingEvent& event) { ring.session->add_event(event, ring.source); });
  const std::uint64_t dropped = ring.reader.dropped();
  ring.session->events().add_dropped(dropped - ring.dropped_reported, clock_.now_ms());
  ring.dropped_reported = dropped;
}

bool ProcessTable::finish(Ring& ring) {
  drain(ring);
  if (!ring.reader.seal()) return false;
  ring.reader.drain_final([&](const RingEvent& event) { ring.session->add_event(event, ring.source); });
  drain(ring);
  return true;
}

void ProcessTable::finish_rings(const ProcessKey& owner, std::size_t keep) {
  auto count = static_cast<std::size_t>(
      std::count_if(rings_.begin(), rings_.end(), [&](const Ring& ring) { return ring.owner == owner; }));
  for (auto ring = rings_.begin(); ring != rings_.end() && count > keep;) {
    const auto current = ring++;
    if (current->owner != owner) continue;
    --count;
    if (finish(*current)) rings_.erase(current);
  }
}

void ProcessTable::on_exit(ProcessKey key) {
  const auto ended = processes_.find(key);
  if (ended == processes_.end()) return;
  const auto count = count_by_uid_.find(ended->second.process.peer.uid);
  if (count != count_by_uid_.end() && --count->second == 0) count_by_uid_.erase(count);
  processes_.erase(ended);
  for (auto ring = rings_.begin(); ring != rings_.end();) {
    const auto current = ring++;
    if (current->owner != key) continue;
    current->owner_ended = true;
    if (finish(*current)) rings_.erase(current);
  }
}

void ProcessTable::drain(const Session& session) {
  for (Ring& ring : rings_) {
    if (ring.session.get() == &session) drain(ring);
  }
}

void ProcessTable::drain_all() {
  for (Ring& ring : rings_) drain(ring);
}

bool ProcessTable::is_used(const Session& session) const {
  const auto of_session = [&](const auto& entry) { return entry.second.process.session.get() == &session; };
  return std::any_of(processes_.begin(), processes_.end(), of_session) ||
         std::any_of(rings_.begin(), rings_.end(), [&](const Ring& ring) { return ring.session.get() == &session; });
}

std::vector<const Process*> ProcessTable::processes_of(const Session& session) const {
  std::vector<const Process*> result;
  for (const auto& [key, entry] : processes_) {
    if (entry.process.session.get() == &session) result.push_back(&entry.process);
  }
  return result;
}

void ProcessTable::schedule() {
  if (scheduled_ || stopped_ || rings_.empty()) return;
  scheduled_ = true;
  timer_.expires_after(kDrainInterval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    scheduled_ = false;
    if (!error) tick();
  });
}

void ProcessTable::tick() {
  for (auto ring = rings_.begin(); ring != rings_.end();) {
    const auto current = ring++;
    if (!current->owner_ended) {
      drain(*current);
    } else if (finish(*current)) {
      rings_.erase(current);
    }
  }
  schedule();
}

void ProcessTable::stop() {
  stopped_ = true;
  timer_.cancel();
}

}  // namespace egress
