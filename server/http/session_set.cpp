#include "server/http/session_set.h"

#include <utility>

#include "server/http/session.h"

namespace egress::server {

bool SessionSet::add(Session& session, std::size_t max) {
  const std::lock_guard lock(mutex_);
  return sessions_.size() < max && sessions_.insert(&session).second;
}

void SessionSet::remove(Session& session) {
  std::function<void()> notify;
  {
    const std::lock_guard lock(mutex_);
    sessions_.erase(&session);
    if (sessions_.empty()) notify = std::exchange(when_empty_, nullptr);
  }
  if (notify) notify();
}

void SessionSet::stop_all() {
  const std::lock_guard lock(mutex_);
  for (Session* session : sessions_) session->request_stop();
}

void SessionSet::notify_when_empty(std::function<void()> when_empty) {
  {
    const std::lock_guard lock(mutex_);
    if (!sessions_.empty()) {
      when_empty_ = std::move(when_empty);
      return;
    }
  }
  when_empty();
}

void SessionSet::cut_all() {
  const std::lock_guard lock(mutex_);
  for (Session* session : sessions_) session->cut();
}

}  // namespace egress::server
