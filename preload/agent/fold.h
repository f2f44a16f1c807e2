// Folding of repeats (control-plane.md, "Pipeline"): of equal decisions the first is a record at once, the others
// become one record a window with count, first and last seen. Nothing is lost: the counts of what comes out add up to
// the counts of what went in. One session's; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "shared/base/clock.h"
#include "shared/policy/decision_record.h"

namespace egress {

inline constexpr std::int64_t kFoldWindowMs = 10'000;
inline constexpr std::size_t kMaxFoldKeys = 4096;
inline constexpr char kOtherBucket[] = "other";  // layer and rule of what no longer fits a key of its own

// A fresh record id: 32 random hex digits.
std::string make_record_id();

class EventFold {
 public:
  using Emit = std::function<void(DecisionRecord record)>;

  explicit EventFold(Emit emit) : emit_(std::move(emit)) {}

  // `record` has everything but its id. O(log keys).
  void add(DecisionRecord record, UnixMillis now_ms);

  // Emits the windows that are over; keys that saw nothing in theirs are forgotten. O(keys).
  void close_windows(UnixMillis now_ms);

  // Emits every window, over or not, and forgets all keys.
  void flush();

  std::uint64_t pending() const { return pending_; }  // counts not yet emitted
  std::size_t key_count() const { return windows_.size(); }

 private:
  using Key = std::tuple<RecordKind, Verdict, DenyReason, std::string, std::string, std::string, std::uint16_t,
                         Transport, std::string>;
  struct Window {
    DecisionRecord record;  // of the repeats; count 0 while there are none
    UnixMillis opened_ms = 0;
  };

  static Key key_of(const DecisionRecord& record);
  void emit(DecisionRecord record);
  void emit_window(Window& window);

  Emit emit_;
  std::map<Key, Window> windows_;
  std::uint64_t pending_ = 0;
};

}  // namespace egress
