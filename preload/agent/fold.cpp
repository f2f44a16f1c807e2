#include "preload/agent/fold.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "shared/base/hex.h"

namespace egress {

std::string make_record_id() {
  std::array<std::byte, 16> bytes;
  // Never short and never interrupted up to 256 bytes once the kernel's generator is seeded (getrandom(2)).
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return format_hex(bytes);
}

EventFold::Key EventFold::key_of(const DecisionRecord& record) {
  return {record.kind,  record.verdict,   record.deny_reason,
          record.layer, record.rule,      record.name.empty() ? record.address : record.name,
          record.port,  record.transport, record.exe};
}

void EventFold::emit(DecisionRecord record) {
  record.id = make_record_id();
  emit_(std::move(record));
}

void EventFold::emit_window(Window& window) {
  if (window.record.count == 0) return;
  pending_ -= window.record.count;
  emit(window.record);
  window.record.count = 0;
}

void EventFold::add(DecisionRecord record, UnixMillis now_ms) {
  auto found = windows_.find(key_of(record));
  if (found == windows_.end() && windows_.size() >= kMaxFoldKeys) {
    record.layer = record.rule = kOtherBucket;
    record.name.clear();
    record.names.clear();
    record.address.clear();
    record.exe.clear();
    record.port = 0;
    record.transport = Transport::kOther;
    found = windows_.find(key_of(record));
  }
  if (found == windows_.end()) {
    Window window{record, now_ms};
    window.record.count = 0;
    windows_.emplace(key_of(record), std::move(window));
    emit(std::move(record));
    return;
  }
  Window& window = found->second;
  pending_ += record.count;
  if (window.record.count == 0) {
    window.record = std::move(record);
    return;
  }
  window.record.count += record.count;
  window.record.first_seen_ms = std::min(window.record.first_seen_ms, record.first_seen_ms);
  window.record.last_seen_ms = std::max(window.record.last_seen_ms, record.last_seen_ms);
}

void EventFold::close_windows(UnixMillis now_ms) {
  for (auto it = windows_.begin(); it != windows_.end();) {
    Window& window = it->second;
    // A clock that jumped back must not hold a window open for as long as it jumped.
    const bool over = now_ms - window.opened_ms >= kFoldWindowMs || now_ms < window.opened_ms;
    if (!over) {
      ++it;
    } else if (window.record.count == 0) {
      it = windows_.erase(it);
    } else {
      emit_window(window);
      window.opened_ms = now_ms;
      ++it;
    }
  }
}

void EventFold::flush() {
  for (auto& [key, window] : windows_) emit_window(window);
  windows_.clear();
}

}  // namespace egress
