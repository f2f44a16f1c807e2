// Records on their way to the server, in memory and bounded. What does not fit is counted, and the count itself becomes
// a record as soon as there is room: recorded + counted drops = happened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "shared/policy/decision_record.h"

namespace egress {

inline constexpr std::size_t kMaxQueuedRecords = 16'384;
inline constexpr std::size_t kMaxBatchRecords = 512;

class UploadQueue {
 public:
  explicit UploadQueue(std::size_t capacity = kMaxQueuedRecords) : capacity_(capacity) {}

  // False if there was no room: the record's count is then dropped.
  bool push(DecisionRecord record);

  bool is_empty() const { return records_.empty(); }
  bool has_room() const { return records_.size() < capacity_; }
  std::vector<DecisionRecord> front(std::size_t max_records = kMaxBatchRecords) const;

  // The first `records` are the server's now, or were refused by it for good.
  void confirm(std::size_t records);
  void discard(std::size_t records);

  // In events (the sum of counts), drop records themselves not included.
  std::uint64_t pending() const { return pending_; }
  std::uint64_t uploaded() const { return uploaded_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::uint64_t pop(std::size_t records);

  std::size_t capacity_;
  std::deque<DecisionRecord> records_;
  std::uint64_t pending_ = 0;
  std::uint64_t uploaded_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace egress
