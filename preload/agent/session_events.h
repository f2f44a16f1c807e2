// Everything that happened in one session, from the ring's raw event to the upload queue: validated against the
// policies that were in force, named, folded, counted. One thread. The uploader takes from queue().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "preload/agent/fold.h"
#include "preload/agent/lookup.h"
#include "preload/agent/policy.h"
#include "preload/agent/upload_queue.h"
#include "shared/policy/workload.h"
#include "shared/session/arena_writer.h"
#include "shared/session/ring.h"

namespace egress {

inline constexpr std::size_t kRememberedGenerations = 8;
inline constexpr char kUnknownSource[] = "unknown";  // layer and rule of an event whose policy is no longer remembered

// Where an event came from, as the agent knows it.
struct EventSource {
  std::int64_t pid = 0;
  std::string exe;
  UnixMillis since_ms = 0;  // when the process said hello: no event of it is older
};

struct EventTotals {
  std::uint64_t recorded = 0;
  std::uint64_t dropped = 0;
  std::uint64_t uploaded = 0;
  std::uint64_t pending = 0;
  std::uint64_t local = 0;  // recorded where there is nobody to upload to
  EventTotals& operator+=(const EventTotals& other);
};

class SessionEvents {
 public:
  // `on_queued` is called when the queue got something to send. Empty: there is nobody to send to, and records are
  // counted and let go.
  SessionEvents(const Workload& workload, std::function<void()> on_queued);

  // The policy published as `generation`; what older events cite stays known for kRememberedGenerations.
  void remember(std::uint64_t generation, PolicyPtr policy);

  // An event read from a ring. Hostile: fields that name nothing known become "unknown", and one whose enumerations are
  // out of range is counted as dropped.
  void add(const RingEvent& event, const EventSource& source, const ArenaWriter& arena, UnixMillis now_ms);

  void add_lookup(const std::string& name, const NameJudgement& judgement, const PolicyPtr& policy,
                  const EventSource& source, UnixMillis now_ms);

  // Events that were lost before anyone could read them.
  void add_dropped(std::uint64_t count, UnixMillis now_ms);

  // Time passes: ends windows, reports drops. flush() does so at once, for the last time.
  void tick(UnixMillis now_ms);
  void flush(UnixMillis now_ms);

  UploadQueue& queue() { return queue_; }
  EventTotals totals() const;
  // Everything that happened, drops included, was taken by the server or given up on.
  bool is_drained() const { return queue_.is_empty() && fold_.pending() == 0; }

 private:
  DecisionRecord make_record(RecordKind kind, const EventSource& source, UnixMillis time_ms) const;
  void cite(DecisionRecord& record, const Policy& policy, std::uint16_t layer, std::uint32_t rule) const;
  void enqueue(DecisionRecord record);
  void report_drops(UnixMillis now_ms);

  const Workload& workload_;
  std::function<void()> on_queued_;
  std::map<std::uint64_t, PolicyPtr> policies_;
  UploadQueue queue_;
  EventFold fold_;
  std::uint64_t recorded_ = 0;      // events that were folded
  std::uint64_t ring_dropped_ = 0;  // events lost before
  std::uint64_t unreported_ = 0;    // drops, of either kind, that no queued record tells of
  std::uint64_t queue_dropped_seen_ = 0;
};

}  // namespace egress
