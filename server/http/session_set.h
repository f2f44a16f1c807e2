// The open connections, so that stopping the server reaches them all.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <unordered_set>

namespace egress::server {

class Session;

// Thread-safe. A session leaves in its destructor, so that those in the set are alive while the set is locked.
class SessionSet {
 public:
  // False if there are `max` already.
  bool add(Session& session, std::size_t max);
  void remove(Session& session);
  void stop_all();
  void cut_all();
  // Calls `when_empty` once, as soon as there is no session; at once if there is none now.
  void notify_when_empty(std::function<void()> when_empty);

 private:
  std::mutex mutex_;
  std::unordered_set<Session*> sessions_;
  std::function<void()> when_empty_;
};

}  // namespace egress::server
