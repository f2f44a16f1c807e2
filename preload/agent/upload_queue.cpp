#include "preload/agent/upload_queue.h"

#include <algorithm>
#include <utility>

namespace egress {
namespace {

std::uint64_t events_in(const DecisionRecord& record) { return record.kind == RecordKind::kDropped ? 0 : record.count; }

}  // namespace

bool UploadQueue::push(DecisionRecord record) {
  const std::uint64_t events = events_in(record);
  if (!has_room()) {
    dropped_ += events;
    return false;
  }
  pending_ += events;
  records_.push_back(std::move(record));
  return true;
}

std::vector<DecisionRecord> UploadQueue::front(std::size_t max_records) const {
  const auto count = static_cast<std::ptrdiff_t>(std::min(max_records, records_.size()));
  return {records_.begin(), records_.begin() + count};
}

std::uint64_t UploadQueue::pop(std::size_t records) {
  std::uint64_t events = 0;
  for (; records > 0 && !records_.empty(); --records) {
    events += events_in(records_.front());
    records_.pop_front();
  }
  pending_ -= events;
  return events;
}

void UploadQueue::confirm(std::size_t records) { uploaded_ += pop(records); }

void UploadQueue::discard(std::size_t records) { dropped_ += pop(records); }

}  // namespace egress
