#include "server/service/ui_sessions.h"

#include "server/service/token_text.h"

namespace egress::server {
namespace {

constexpr std::size_t kIdBytes = 32;

}  // namespace

std::string UiSessions::begin(const Principal& principal) {
  std::string id = random_hex(kIdBytes);
  const Sha256 hash = sha256(id);
  const std::lock_guard lock(mutex_);
  while (sessions_.size() >= max_) erase_locked(sessions_.find(order_.front()));
  const auto place = order_.insert(order_.end(), hash);
  sessions_.emplace(hash, Session{principal, clock_.now_ms() + kUiSessionLifetimeMs, place});
  return id;
}

std::optional<Principal> UiSessions::find(std::string_view id) {
  const Sha256 hash = sha256(id);
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(hash);
  if (found == sessions_.end()) return std::nullopt;
  if (found->second.ends_at_ms <= clock_.now_ms()) {
    erase_locked(found);
    return std::nullopt;
  }
  return found->second.principal;
}

void UiSessions::end(std::string_view id) {
  const Sha256 hash = sha256(id);
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(hash);
  if (found != sessions_.end()) erase_locked(found);
}

void UiSessions::erase_locked(std::map<Sha256, Session>::iterator session) {
  order_.erase(session->second.place);
  sessions_.erase(session);
}

}  // namespace egress::server
